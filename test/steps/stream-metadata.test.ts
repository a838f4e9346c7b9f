import { expect, it } from 'vitest';
import type { ImageFile } from '../../src/images/image.ts';
import { loadImageTemplate } from '../../src/images/template/load-template.ts';
import { withImages } from '../../src/steps/deliver/stream-metadata.ts';

it('the newest build of each image is named, whatever order builds are published in', async () => {
  const values = {
    ...{ product: 'x', prefix: 'x', version: '20260101_01', stream: 's', arch: 'x86_64', ref: 'r', osName: 'x' },
    ...{ remoteName: 'r', remoteUrl: 'http://127.0.0.1' },
  };
  const template = await loadImageTemplate('generic-cloud', undefined, values);
  const image = (mark: string) =>
    ({ path: `images/${mark}.qcow2`, sha256: mark, uncompressedSha256: mark }) as ImageFile;
  const add = (old: Parameters<typeof withImages>[0], release: string) =>
    withImages(old, {
      stream: 's',
      arch: 'x86_64',
      release,
      folder: `u/${release}`,
      images: [{ template, image: image(release) }],
    });
  const newest = add(add(undefined, '20260101_01'), '20260102_01');
  expect(newest.architectures['x86_64']?.artifacts['generic-cloud']).toMatchObject({ release: '20260102_01' });
  expect(add(newest, '20260101_02')).toBe(newest);
  expect(add(newest, '20260102_01')).toBe(newest);
  const later = add(newest, '20260102_10').architectures['x86_64']?.artifacts['generic-cloud'];
  expect(later?.formats['qcow2']?.disk.location).toBe('u/20260102_10/images/20260102_10.qcow2');
});
