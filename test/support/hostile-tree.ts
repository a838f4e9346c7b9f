import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { asNightlyError } from '../../src/base/as-nightly-error.ts';

/** What is in a tree by its path: a file's text, `null` for a folder. */
export type TreeContent = Readonly<Record<string, string | null>>;

/** What takes the place of a path of the tree. */
export const HOSTILITIES = [
  // Links to the same path of the guard folder, which is there: absolute, by way of `..`, and to one file whatever is wanted.
  'absolute',
  'relative',
  'file',
  // To what is not there: outside, and inside the tree.
  'missing',
  'inside',
  'null',
  'loop',
  // A FIFO itself, and a link to one that is in the tree: who reads them waits for ever.
  'fifo',
  'pipe',
] as const;
export type Hostility = (typeof HOSTILITIES)[number];

/** Everything below a folder: type, mode, owner, times, content. */
export function picture(folder: string, path = ''): string[] {
  const info = lstatSync(join(folder, path));
  const line = `${path} ${info.mode.toString(8)} ${info.uid} ${info.size} ${info.mtimeMs} ${info.ctimeMs}`;
  if (info.isSymbolicLink()) return [`${line} ${readlinkSync(join(folder, path))}`];
  if (info.isFile()) return [`${line} ${readFileSync(join(folder, path), 'latin1')}`];
  if (!info.isDirectory()) return [line];
  return [
    line,
    ...readdirSync(join(folder, path))
      .sort()
      .flatMap((name) => picture(folder, `${path}/${name}`)),
  ];
}

/** Makes a tree. */
export function makeTree(root: string, content: TreeContent): void {
  mkdirSync(root, { recursive: true });
  for (const [path, text] of Object.entries(content)) {
    mkdirSync(text === null ? join(root, path) : dirname(join(root, path)), { recursive: true });
    if (text !== null) writeFileSync(join(root, path), text);
  }
}

/** Every path of a tree and the folders above it: each may be something hostile instead. */
export function placesOf(content: TreeContent): string[] {
  const parts = Object.keys(content).flatMap((path) =>
    path.split('/').map((_, index, all) => all.slice(0, index + 1).join('/')),
  );
  return [...new Set(parts)];
}

/** Puts something hostile in place of a path, unless a folder above it is hostile already. */
export function plant(root: string, path: string, kind: Hostility, guard: string): void {
  const above = path.split('/').map((_, index, all) => all.slice(0, index + 1).join('/'));
  if (!above.slice(0, -1).every((folder) => lstatSync(join(root, folder), { throwIfNoEntry: false })?.isDirectory()))
    return;
  const here = join(root, path);
  rmSync(here, { recursive: true, force: true });
  if (kind === 'fifo') execFileSync('mkfifo', [here]);
  else symlinkSync(targetOf(root, path, kind, guard), here);
}

function targetOf(root: string, path: string, kind: Exclude<Hostility, 'fifo'>, guard: string): string {
  switch (kind) {
    case 'absolute':
      return join(guard, path);
    case 'relative':
      return `${'../'.repeat(20)}${join(guard, path).slice(1)}`;
    case 'file':
      return join(guard, 'file');
    case 'missing':
      return join(guard, 'new', path);
    case 'inside':
      return '/usr/elsewhere';
    case 'null':
      return '/dev/null';
    case 'loop':
      return `/${path}`;
    case 'pipe':
      if (lstatSync(join(root, 'pipe'), { throwIfNoEntry: false }) === undefined)
        execFileSync('mkfifo', [join(root, 'pipe')]);
      return '/pipe';
  }
}

/** Makes the folder of the host that nothing may reach: the same paths as the tree, and a file. @returns its picture */
export function makeGuard(guard: string, content: TreeContent): string[] {
  makeTree(guard, { ...content, file: 'host:x:0:0::/:/bin/sh\n' });
  return picture(guard);
}

/** Each place with some of the kinds, in turn, so that together all kinds meet all sorts of places. */
export function someOfEach(places: readonly string[], kinds: number): Planting[] {
  return places.flatMap((path, index) =>
    Array.from({ length: kinds }, (_, turn) => {
      const kind = HOSTILITIES[(index + turn * 4) % HOSTILITIES.length] ?? 'absolute';
      return [[path, kind]] as const;
    }),
  );
}

/** A way to make a tree hostile, with what it is called; the first of all has none. */
export type Planting = readonly (readonly [path: string, kind: Hostility])[];

/**
 * Lets `treat` have a tree of that content for each planting, and first one as it is, which must not be refused. Nothing of
 * the host is to change whatever the tree holds.
 * @param about.dir takes the folder of the host that nothing may reach, with `about.host` in it, by default the same content
 * @param treat is given an empty folder and `make`, which makes a tree below it, and returns the refusals of `tryAll`
 */
export async function expectJailed(
  about: { readonly dir: string; readonly content: TreeContent; readonly host?: TreeContent },
  plantings: readonly Planting[],
  treat: (folder: string, make: (root: string) => void, planted: Planting) => Promise<readonly string[]>,
): Promise<void> {
  const { dir, content, host = content } = about;
  const guard = join(dir, 'guard');
  const before = makeGuard(guard, host);
  for (const planted of [[], ...plantings]) {
    const folder = join(dir, 'treated');
    mkdirSync(folder);
    const make = (root: string): void => {
      makeTree(root, content);
      for (const [path, kind] of planted) plant(root, path, kind, guard);
    };
    const refusals = await treat(folder, make, planted);
    if (planted.length === 0) expect(refusals).toEqual([]);
    expect(picture(guard), `hostile: ${JSON.stringify(planted)}`).toEqual(before);
    rmSync(folder, { recursive: true });
  }
  rmSync(guard, { recursive: true });
}

/**
 * Calls each, and returns what the refusals say; one that refuses the tree does not keep the others from it.
 * @throws Error when one is told as a fault of this program
 */
export async function tryAll(treatments: readonly (() => unknown)[]): Promise<string[]> {
  const refusals: string[] = [];
  for (const treatment of treatments) {
    try {
      await treatment();
    } catch (error) {
      // A refusal, or what the tree lacks now; what matters is what happened to the host.
      if (!(error instanceof Error)) throw error;
      refusals.push(`${treatment}: ${error.message}`);
      if (asNightlyError(error).code === 'bug')
        throw new Error(`told as a fault of ours: ${treatment}: ${error.message}`, { cause: error });
    }
  }
  return refusals;
}
