import { mkdirSync, writeFileSync } from 'node:fs';
import { lstat, mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RsyncTargetConfig } from '../../src/config/config.ts';
import { rsyncTarget } from '../../src/targets/rsync/rsync-target.ts';
import type { Target } from '../../src/targets/target.ts';
import { withWriteOnce } from '../../src/targets/write-once.ts';
import { everyCase } from '../support/every-case.ts';
import { farRsyncs, ownRrsync } from '../support/far-rsync.ts';
import { startRsyncd } from '../support/rsyncd.ts';
import { startSshd } from '../support/sshd.ts';
import { accessOf, bed, type FolderBed } from '../support/target-beds.ts';
import { testTask } from '../support/tmp.ts';

/**
 * A target of rsync without what stands before every target: names with control characters, which never get so far, are
 * names to rsync like all others.
 */
function rsyncItself(
  ssh: RsyncTargetConfig['ssh'],
  destination: string,
  more: Partial<RsyncTargetConfig> = {},
): Target {
  const url = 'http://localhost';
  return withWriteOnce(rsyncTarget({ type: 'rsync', name: 'far', destination, ssh, url, ...more }));
}

/** Removing, with every rsync that can be at the far end here. */
const FAR = farRsyncs().flatMap((far) => [
  {
    name: `rsync ${far.version}, daemon`,
    async open(option?: string): Promise<FolderBed> {
      const place = await bed();
      const daemon = await startRsyncd(join(place.dir, 'rsyncd'), place.far, option, far.program);
      const { destination, passwordFile } = daemon;
      return { ...place, target: rsyncItself({}, destination, { passwordFile }) };
    },
  },
  {
    name: `rsync ${far.version}, rrsync`,
    async open(option?: string): Promise<FolderBed> {
      const place = await bed();
      await mkdir(place.far);
      const program = await ownRrsync(far, join(place.dir, 'rrsync'));
      const rrsync = option === undefined ? place.far : `-no-del ${place.far}`;
      const sshd = await startSshd(join(place.dir, 'sshd'), { rrsync, program });
      return { ...place, target: rsyncItself(accessOf(sshd), 'root@127.0.0.1:/') };
    },
  },
]);

/** Everything that is not a folder. */
async function leftIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((path) => !path.startsWith('.atomic-nightly'))
    .sort();
}

function put(root: string, path: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), path);
}

const HOSTILE = [
  ' ',
  ' both ends ',
  '#hash',
  ';semicolon',
  '-rf',
  '--delete',
  '*',
  'a*',
  '?',
  '[ab]',
  '[!a]',
  '[',
  ']',
  '\\',
  'a\\',
  '\\*',
  '\\#012',
  '**',
  '***',
  'line\nbreak',
  'return\rhere',
  'tab\there',
  'bell\x07',
  'é',
  '\u2028',
  'ﬁ 字 😀',
  '{a,b}',
  '$HOME',
  '`id`',
  "'",
  '"',
  '+ x',
  '- x',
  '!',
  'host:x',
  '~',
  '...',
  '.hidden',
];

describe.each(everyCase ? FAR : FAR.slice(0, 2))('removal by $name', ({ open }) => {
  it('removes names of any kind, and no other', async () => {
    const { dir, far, target } = await open();
    const task = testTask(dir);
    const names = HOSTILE.flatMap((name) => [`builds/${name}`, `builds/in ${name}/${name}`]);
    const near = HOSTILE.map((name) => `builds/${name}x`);
    for (const path of [...names, ...near, 'builds/a', 'builds/b', 'builds/\n', 'other/a']) put(far, path);
    await target.check(task);
    const listed: string[] = [];
    for await (const { path } of target.list('builds', task)) listed.push(path);
    expect(listed.sort()).toEqual((await leftIn(far)).filter((path) => path.startsWith('builds/')));
    await target.remove([...names, 'builds/none', 'none/none', 'builds/none/none'], task);
    expect(await leftIn(far)).toEqual([...near, 'builds/a', 'builds/b', 'builds/\n', 'other/a'].sort());
    // Nobody else's folders go either.
    expect((await readdir(join(far, 'builds'))).filter((name) => name.startsWith('in '))).toHaveLength(HOSTILE.length);
  });

  it('leaves folders, what is in them, and what links lead to', async () => {
    const { dir, far, target } = await open();
    const task = testTask(dir);
    for (const path of ['builds/folder/kept', 'builds/folder/gone', 'elsewhere/kept', 'elsewhere/named']) {
      put(far, path);
    }
    await mkdir(join(far, 'builds/empty'));
    await symlink('folder/kept', join(far, 'builds/link'));
    await symlink('../elsewhere', join(far, 'builds/link to a folder'));
    await symlink('nowhere', join(far, 'builds/dangling'));
    await symlink('elsewhere', join(far, 'moved'));
    const named = ['builds/folder', 'builds/folder/gone', 'builds/empty', 'builds/link', 'builds/link to a folder'];
    await target.remove([...named, 'builds/dangling', 'moved/named'], task);
    expect(await leftIn(far)).toEqual(['builds/folder/kept', 'elsewhere/kept', 'moved']);
    expect(await readdir(join(far, 'builds'))).toEqual(['empty', 'folder']);
    expect((await lstat(join(far, 'moved'))).isSymbolicLink()).toBe(true);
  });

  it('removes thousands of files in one go', async () => {
    const { dir, far, target } = await open();
    const paths = Array.from({ length: 2400 }, (_, n) => `repo/objects/${String(n % 64).padStart(2, '0')}/${n}.filez`);
    for (const path of paths) put(far, path);
    await target.remove(
      paths.filter((_, index) => index % 3 !== 0),
      testTask(dir),
    );
    expect(await leftIn(far)).toEqual(paths.filter((_, index) => index % 3 === 0).sort());
  });

  it('leaves exactly what was not named, whatever the tree', async () => {
    const { dir, far, target } = await open();
    const task = testTask(dir);
    const name = fc.oneof(
      fc.constantFrom('a', 'b', ...HOSTILE),
      fc.string({ unit: fc.constantFrom(...'ab*?[]\\#-! \n\té'), minLength: 1, maxLength: 6 }),
    );
    const path = fc
      .array(
        name.filter((text) => !['.', '..'].includes(text)),
        { minLength: 1, maxLength: 3 },
      )
      .map((parts) => ['builds', ...parts].join('/'));
    const trees = fc.uniqueArray(fc.tuple(path, fc.boolean()), { selector: ([one]) => one, maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(trees, async (files) => {
        await rm(join(far, 'builds'), { recursive: true, force: true });
        const there: [string, boolean][] = [];
        for (const [file, goes] of files) {
          // A file where another one has a folder cannot be made.
          const clash = there.some(([other]) => other.startsWith(`${file}/`) || file.startsWith(`${other}/`));
          if (clash) continue;
          put(far, file);
          there.push([file, goes]);
        }
        const gone = there.filter(([, goes]) => goes).map(([file]) => file);
        await target.remove([...gone, 'builds/never/there'], task);
        const kept = there.filter(([, goes]) => !goes).map(([file]) => file);
        expect(await leftIn(far)).toEqual(kept.sort());
      }),
      { numRuns: 12 },
    );
  });

  it('says at the first contact that nothing may be removed there, and publishes all the same', async () => {
    const { dir, far, source, target } = await open('refuse options = delete');
    const said: string[] = [];
    const task = { ...testTask(dir), say: (text: string) => void said.push(text) };
    await target.check(task);
    expect(said).toEqual([
      expect.stringMatching(/Publishing works; prune and reconcile will not.*Deleting is not allowed/),
    ]);
    await target.send(source, ['builds/meta.json'], { immutable: false }, task);
    await expect(target.remove(['builds/meta.json'], task)).rejects.toMatchObject({ code: 'target-permission' });
    expect(await leftIn(far)).toEqual(['builds/meta.json']);
  });
});
