import { NightlyError } from '../base/errors.ts';
import { QCOW2 } from './disk/qcow2.ts';
import type { ImageFormat } from './image-format.ts';
import { ISO } from './iso/iso.ts';
import { VAGRANT_LIBVIRT } from './vagrant/libvirt.ts';
import { VAGRANT_VIRTUALBOX } from './vagrant/virtualbox.ts';

/** Every image format, by its name in image.yaml and in stream metadata. */
export const imageFormats: Readonly<Record<string, ImageFormat>> = {
  qcow2: QCOW2,
  'vagrant-libvirt': VAGRANT_LIBVIRT,
  'vagrant-virtualbox': VAGRANT_VIRTUALBOX,
  iso: ISO,
};

/** Returns the format of a loaded image type, which has passed the schema. */
export function formatOf({ format, name }: { readonly format: string; readonly name: string }): ImageFormat {
  const found = imageFormats[format];
  if (!found) throw new NightlyError('bug', `The image type ${name} has the format ${format}, which there is not.`);
  return found;
}
