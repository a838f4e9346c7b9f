import { NightlyError } from '../base/errors.ts';

/** A build, as far as it says where its files are: name, version and release are the build's own, not an RPM's. */
export interface BuildPlace {
  readonly name: string;
  readonly version: string;
  readonly release: string;
  readonly volume_name: string;
}

export interface RpmPlace {
  readonly name: string;
  readonly version: string;
  readonly release: string;
  readonly arch: string;
}

/** Returns `NAME-VERSION-RELEASE.ARCH.rpm`. @throws NightlyError `koji` */
export const rpmFileName = ({ name, version, release, arch }: RpmPlace): string =>
  `${[name, version, release].map(component).join('-')}.${component(arch)}.rpm`;

/** Returns where the RPM is as it was built, below the topurl. @throws NightlyError `koji` for a name that is no file's. */
export const unsignedPath = (build: BuildPlace, rpm: RpmPlace): string =>
  `${buildPath(build)}/${component(rpm.arch)}/${rpmFileName(rpm)}`;

/** Returns where the copy signed by a key is. @param key eight hexadecimal digits @throws NightlyError `koji` */
export const signedPath = (build: BuildPlace, rpm: RpmPlace, key: string): string =>
  `${buildPath(build)}/data/signed/${component(key)}/${component(rpm.arch)}/${rpmFileName(rpm)}`;

/** Returns where the signature header of that copy is. @throws NightlyError `koji` */
export const signaturePath = (build: BuildPlace, rpm: RpmPlace, key: string): string =>
  `${buildPath(build)}/data/sigcache/${component(key)}/${component(rpm.arch)}/${rpmFileName(rpm)}.sig`;

/** Returns the address of a path below a topurl (`http:`, `https:` or `file:`), with what a URL may not have escaped. */
export function fileUrl(topurl: string, path: string): string {
  return `${topurl.replace(/\/+$/, '')}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

function buildPath({ name, version, release, volume_name }: BuildPlace): string {
  const volume = volume_name === 'DEFAULT' ? '' : `vol/${component(volume_name)}/`;
  return `${volume}packages/${[name, version, release].map(component).join('/')}`;
}

/** Refuses what does not stay one part of a path (I12). The characters are those that koji itself allows, and RPM's. */
function component(name: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9._+~^%{}-]*$/.test(name)) return name;
  throw new NightlyError('koji', `The hub names a package or volume ${JSON.stringify(name)}, which is no file name.`, {
    hint: 'Look that build up in koji; nothing of its tag is published meanwhile.',
  });
}
