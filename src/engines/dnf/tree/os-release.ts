import { kindOf } from '../../../base/tree-files.ts';
import { at } from './tree-paths.ts';

/** The version a treefile's mutate-os-release names, and the one put in its place. */
export interface Versions {
  readonly base: string;
  readonly version: string;
}

/** Returns where os-release of a tree is as a file, on this host. */
export async function osReleasePath(root: string): Promise<string | undefined> {
  for (const path of ['/usr/lib/os-release', '/etc/os-release']) {
    const real = at(root, path);
    if ((await kindOf(real)) === 'file') return real;
  }
  return undefined;
}

/** Puts the commit's version where VERSION and PRETTY_NAME have the base version, and adds OSTREE_VERSION. */
export function withVersion(text: string, { base, version }: Versions): string {
  return `${replace(text, base, version)}OSTREE_VERSION='${version}'\n`;
}

/** Takes back what `withVersion` did. */
export function withoutVersion(text: string, { base, version }: Versions): string {
  return replace(text, version, base);
}

function replace(text: string, from: string, to: string): string {
  const lines = text.trimEnd().split('\n');
  const changed = lines
    .filter((line) => !line.startsWith('OSTREE_VERSION='))
    .map((line) => (/^(VERSION|PRETTY_NAME)=/.test(line) ? line.replaceAll(from, () => to) : line));
  return `${changed.join('\n')}\n`;
}
