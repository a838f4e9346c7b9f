import { basename } from 'node:path';
import { formatBytes } from '../../base/format.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { signatureName } from '../../published/paths.ts';

/** An image as pages offer it. */
export interface ImageView {
  readonly type: string;
  readonly file: string;
  /** Empty where it is not published. */
  readonly href: string;
  /** Link to the detached signature; empty without one. */
  readonly signature: string;
  readonly size: string;
  readonly sha256: string;
  /** How it came up; empty where it was not booted. */
  readonly test: string;
}

/** @param hrefOf where a file of the build is, by its path in the build's folder; undefined where nothing is published */
export function imageViews(meta: BuildMeta, hrefOf: ((path: string) => string) | undefined): ImageView[] {
  const signed = meta.signedBy !== undefined;
  const tests = meta.smokeTests ?? {};
  return Object.entries(meta.images ?? {}).map(([type, { path, size, sha256 }]) => {
    const test = tests[type];
    const degraded = test?.state === 'degraded' ? ', degraded' : '';
    return {
      type,
      file: basename(path),
      sha256,
      size: formatBytes(size),
      href: hrefOf?.(path) ?? '',
      signature: signed && hrefOf ? hrefOf(signatureName(path)) : '',
      test: test ? `booted in ${Math.round(test.bootSeconds)} s${degraded}` : '',
    };
  });
}
