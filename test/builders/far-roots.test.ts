import { copyFileSync, existsSync, linkSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { farScript } from '../../src/builders/far-machine.ts';
import { staticBusybox } from '../../src/builders/static-busybox.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';

const root = (letter: string): string => letter.repeat(64);
const JOB = 'f'.repeat(32);
let far: string;

/** Runs a verb as a builder does, in a folder of its own. */
const call = async (...words: readonly string[]): Promise<string> =>
  (await run(join(far, 'busybox'), ['sh', join(far, 'far.sh'), ...words])).stdout;

/** A root whose files are links to objects. @param used seconds since 1970; none: an earlier version sent it */
function addRoot(letter: string, objects: readonly string[], used?: number): void {
  const folder = join(far, 'roots', root(letter));
  for (const path of [join(far, 'objects'), join(far, 'used'), folder]) mkdirSync(path, { recursive: true });
  for (const name of objects) {
    const object = join(far, 'objects', name);
    if (!existsSync(object)) writeFileSync(object, name);
    linkSync(object, join(folder, name));
  }
  if (used === undefined) return;
  writeFileSync(join(far, 'used', root(letter)), '');
  utimesSync(join(far, 'used', root(letter)), used, used);
}

beforeEach(async () => {
  far = temporaryFolder();
  copyFileSync(await staticBusybox(), join(far, 'busybox'));
  copyFileSync(farScript('far.sh'), join(far, 'far.sh'));
});

it('roots beyond those to keep go, those used last stay, and so does the one that a job is built in', async () => {
  addRoot('a', ['one', 'two'], 100);
  addRoot('b', ['two', 'three'], 200);
  addRoot('c', ['four'], 300);
  addRoot('d', ['three', 'five'], 400);
  mkdirSync(join(far, 'jobs', JOB), { recursive: true });
  writeFileSync(join(far, 'jobs', JOB, 'root'), `${root('a')}\n`);
  expect(await call('prune', '1')).toBe(`${root('c')}\n${root('b')}\n`);
  expect(readdirSync(join(far, 'roots'))).toEqual([root('a'), root('d')]);
  // What no root has any more is gone, what one shares is there.
  expect(readdirSync(join(far, 'objects')).sort()).toEqual(['five', 'one', 'three', 'two']);
  expect(await call('prune', '1')).toBe('');
});

it('a root of an earlier version counts as used now', async () => {
  addRoot('a', ['one']);
  addRoot('b', ['two'], 100);
  expect(await call('prune', '1')).toBe(`${root('b')}\n`);
  expect(readdirSync(join(far, 'roots'))).toEqual([root('a')]);
});

it('objects of a root that is arriving stay', async () => {
  addRoot('a', ['one'], 100);
  writeFileSync(join(far, 'objects', 'arriving'), '');
  mkdirSync(join(far, 'new'));
  expect(await call('prune', '1')).toBe('');
  expect(readdirSync(join(far, 'objects')).sort()).toEqual(['arriving', 'one']);
});

it('a damaged root goes alone: builds of others run in the other ones', async () => {
  addRoot('a', ['one'], 100);
  addRoot('b', ['one', 'two'], 200);
  const listing = await call('listing', join(far, 'roots', root('b')));
  writeFileSync(join(far, 'roots', root('b'), 'added'), '');
  expect(await call('job', JOB, root('b'), listing.trim(), 'e'.repeat(64), '1')).toBe('root\n');
  expect(readdirSync(join(far, 'roots'))).toEqual([root('a')]);
  expect(existsSync(join(far, 'roots', root('a'), 'one'))).toBe(true);
  expect(existsSync(join(far, 'jobs'))).toBe(false);
});
