import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { makeInitramfs } from '../../../src/engines/dnf/initramfs.ts';
import { createPhases } from '../../../src/engines/phases.ts';
import { everyCase } from '../../support/every-case.ts';
import { testTask } from '../../support/tmp.ts';
import { KVER, makeAskedTree } from './asked-tree.ts';

let dir: string;
let root: string;
let task: ReturnType<typeof testTask>;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-'));
  root = join(dir, 'root');
  mkdirSync(join(dir, 'scratch'));
  await makeAskedTree(root);
  cpSync(root, join(dir, 'saved'), { recursive: true, verbatimSymlinks: true });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
beforeEach(() => {
  task = testTask(dir);
});

/** The tree as it was made; its image stays in the cache. */
function restore(): void {
  rmSync(root, { recursive: true });
  cpSync(join(dir, 'saved'), root, { recursive: true, verbatimSymlinks: true });
}

/** One night's image, with last night's at hand or without. */
async function night(cache = 'cache'): Promise<{ readonly how: 'built' | 'reused'; readonly image: string }> {
  const request = { root, kver: KVER, args: [], cacheDir: join(dir, cache), scratchDir: join(dir, 'scratch') };
  const how = await makeInitramfs(request, task, createPhases());
  return { how, image: await readFile(join(root, 'usr/lib/modules', KVER, 'initramfs.img'), 'utf8') };
}

/** A night that knows of no other. */
async function fresh(): Promise<string> {
  rmSync(join(dir, 'none'), { recursive: true, force: true });
  return (await night('none')).image;
}

const put = (path: string, text = 'new\n', mode = 0o644) => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  chmodSync(join(root, path), mode);
};
const link = (path: string, target: string) => {
  rmSync(join(root, path), { force: true });
  symlinkSync(target, join(root, path));
};
const remove = (path: string) => rmSync(join(root, path), { recursive: true });

/** Changes by name, each in something that the program asks for. */
const ASKED: Readonly<Record<string, () => void>> = {
  'content of a file that is sourced': () => put('usr/lib/dracut/dracut.conf.d/10-tree.conf', 'compress=gz\n'),
  'content of a file read by a relative path': () => put('usr/lib/dracut/modules.d/10a/list', 'c\n'),
  'content of a file read through a link outside': () => put('usr/lib/linked', 'other\n'),
  'content of a program': () =>
    put('usr/bin/dracut', `${readFileSync(join(root, 'usr/bin/dracut'), 'utf8')}# \n`, 0o755),
  'content of an interpreter': () => writeFileSync(join(root, 'usr/bin/interpreter'), readFileSync('/usr/bin/dash')),
  'content of a program that is copied': () => put('usr/lib/kept/one', 'other\n'),
  'mode of a file that is tested': () => chmodSync(join(root, 'usr/lib/helper'), 0o644),
  'mode of a file that is looked at': () => chmodSync(join(root, 'usr/lib/stated'), 0o600),
  'a file that is looked at removed': () => remove('usr/lib/stated'),
  'a file that is tested emptied': () => put('usr/etc/vconsole.conf', ''),
  'a file where a folder was tested for': () => {
    remove('usr/share/keymaps/de');
    mkdirSync(join(root, 'usr/share/keymaps/de'));
  },
  'a name that was not there': () => put('usr/lib/firmware/card.bin'),
  'a folder that was not there, with a name in it that was looked for': () => put('usr/lib/dracut/extra-20b'),
  'a program that was not in PATH': () => put('usr/bin/plymouth', '', 0o755),
  'a program earlier in PATH': () => put('usr/sbin/tool', '#!/bin/sh\necho another tool\n', 0o755),
  'a name in a folder that a glob went through': () => put('usr/etc/dracut.conf.d/50-new.conf', 'compress=lz4\n'),
  'a module': () => put('usr/lib/dracut/modules.d/30c/list', 'c\n'),
  'a name in a folder that was listed': () => put('usr/lib/listed/two'),
  'a name in a folder that was searched': () => put('usr/lib/found/deep/two'),
  'a folder that was listed removed': () => remove('usr/lib/listed'),
  'a link that is read': () => link('usr/lib/release', '../other-release'),
  'a link that is followed': () => link('usr/lib/alternatives/current', 'v2'),
  'a link in place of a folder on the way': () => {
    renameSync(join(root, 'usr/lib/found'), join(root, 'usr/lib/elsewhere'));
    link('usr/lib/found', 'elsewhere');
  },
  'a file the loader looks for first': () => put('usr/etc/ld.so.preload', ''),
};

// Each on top of the ones before.
it.each(Object.entries(ASKED))(
  'makes a new image after a change of %s, the same as without a cache',
  async (_, change) => {
    await night();
    expect((await night()).how).toBe('reused');
    change();
    const { how, image } = await night();
    expect(how).toBe('built');
    expect(image).toBe(await fresh());
  },
);

it('uses the image again after each of many changes of what nobody asked for, and it is what a fresh one would be', async () => {
  restore();
  await night();
  task.lines.length = 0;
  const names = Array.from({ length: 40 }, (_, index) => `n${index}`);
  const places = [
    'usr/share/leaf',
    'usr/lib/leaf',
    'usr/share/doc',
    'usr/libexec/x',
    'usr/lib/sysusers.d',
    'var/lib/app',
    'usr/etc/app',
    'usr/share',
  ];
  const changes = fc.record({
    kind: fc.constantFrom('file', 'file', 'program', 'folder', 'link', 'remove', 'mode'),
    place: fc.constantFrom(...places),
    name: fc.constantFrom(...names),
    text: fc.string(),
  });
  for (const [index, { kind, place, name, text }] of fc
    .sample(changes, { numRuns: everyCase ? 200 : 40, seed: 13 })
    .entries()) {
    const path = `${place}/${name}`;
    rmSync(join(root, path), { recursive: true, force: true });
    if (kind === 'file' || kind === 'mode') put(path, text, kind === 'mode' ? 0o600 : 0o644);
    if (kind === 'program') put(path, `#!/bin/sh\n${text}`, 0o755);
    if (kind === 'folder') put(`${path}/inner`, text);
    if (kind === 'link') {
      mkdirSync(join(root, place), { recursive: true });
      link(path, text.replaceAll('\0', '') || '/usr/bin');
    }
    const { how, image } = await night();
    expect([index, path, how, task.lines]).toEqual([index, path, 'reused', []]);
    if (index % 40 === 39) expect(image).toBe(await fresh());
  }
});

it('never uses an image again that would be another one now, whatever was changed', async () => {
  restore();
  await night();
  const list = readFileSync(join(dir, 'cache/initramfs/records.json'), 'utf8');
  const [{ asked }] = z
    .object({ images: z.tuple([z.object({ asked: z.record(z.string(), z.unknown()) })]).rest(z.unknown()) })
    .parse(JSON.parse(list)).images;
  // Without its shell and its libraries the program does not run at all.
  const known = Object.keys(asked).filter((path) => !/^\/(usr\/)?(bin|lib64|lib\/x86_64)|ld-linux|\.so/.test(path));
  const change = fc.record({
    path: fc.constantFrom(...known),
    kind: fc.constantFrom('text', 'empty', 'remove', 'mode', 'folder', 'link'),
  });
  let same = 0;
  for (const { path, kind } of fc.sample(change, { numRuns: everyCase ? 25 : 8, seed: 7 })) {
    const at = join(root, path.startsWith('/etc') ? `/usr${path}` : path);
    const there = lstatSync(at, { throwIfNoEntry: false });
    if (kind === 'mode' && there && !there.isSymbolicLink()) chmodSync(at, 0o700);
    else {
      if (there && !there.isDirectory()) rmSync(at);
      mkdirSync(dirname(at), { recursive: true });
      const now = lstatSync(at, { throwIfNoEntry: false });
      if (!now && kind === 'text') writeFileSync(at, 'other\n');
      if (!now && kind === 'empty') writeFileSync(at, '');
      if (!now && kind === 'folder') mkdirSync(at);
      if (!now && kind === 'link') symlinkSync('/usr/lib/os-release', at);
    }
    const { how, image } = await night().catch(() => ({ how: 'failed' as const, image: '' }));
    if (how === 'reused') {
      same += 1;
      expect([path, kind, image]).toEqual([path, kind, await fresh()]);
    }
    restore();
  }
  expect(same).toBeLessThan(everyCase ? 25 : 8);
});

it.each([
  ['empty', ''],
  ['cut short', '{"format":2,"images":[{"rule":"asked","key":"'],
  ['of an older release', '[{"key":"x","image":"y.img","sha256":"z","names":"","reads":{}}]'],
  ['of a newer release', '{"format":3,"pictures":{}}'],
  [
    'with a path for an image',
    '{"format":2,"images":[{"rule":"names","key":"x","image":"../../x","sha256":"y","names":"","reads":{}}]}',
  ],
  ['null', 'null'],
])('makes a new image when the list of images is %s, says so, and goes on', async (_, text) => {
  restore();
  const { image } = await night();
  const list = join(dir, 'cache/initramfs/records.json');
  writeFileSync(list, text);
  writeFileSync(join(dir, 'cache/initramfs/left.img.part'), '');
  expect(await night()).toEqual({ how: 'built', image });
  expect(task.lines.join('\n')).toMatch(/records\.json is (damaged|not of format 2): no initramfs can be used again/);
  expect(await night()).toEqual({ how: 'reused', image });
  expect(lstatSync(join(dir, 'cache/initramfs/left.img.part'), { throwIfNoEntry: false })).toBeUndefined();
});

it('makes a new image when the one in the cache is damaged', async () => {
  const { image } = await night();
  const list = readFileSync(join(dir, 'cache/initramfs/records.json'), 'utf8');
  const [name = ''] = /[0-9a-f]{64}\.img/.exec(list) ?? [];
  writeFileSync(join(dir, 'cache/initramfs', name), 'half');
  expect(await night()).toEqual({ how: 'built', image });
  expect(task.lines.at(-1)).toContain(`${name} in the cache`);
});
