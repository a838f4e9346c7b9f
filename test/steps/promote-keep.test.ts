import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { buildPaths } from '../../src/build/build-store.ts';
import { parseConfig } from '../../src/config/load.ts';
import { beginDeleting } from '../../src/publish/epoch.ts';
import type { Night } from '../../src/run/promoted-night.ts';
import { keepPromotedCommit } from '../../src/steps/promote/promote-keep.ts';
import type { Target } from '../../src/targets/target.ts';
import { gpgv, makeFileKey } from '../support/openpgp-key.ts';
import { nightId, noon, pruneBed, retention } from '../support/prune-bed.ts';

const PROMOTED = 'builds/promoted.json';

/** A night as far as keeping it asks. */
function nightOf(commit: string, n: number): Night {
  const meta = { buildid: nightId(n) } as Night['meta'];
  return { id: nightId(n), commit, meta, lockfile: { packages: {} }, treefile: '', timestamp: noon(n) };
}

const project = (work: string) => ({ config: { work, streams: {} } });
const release = (dir: string, id: string) => ({ id, paths: buildPaths(dir, id, 'x86_64'), timestamp: noon(5) });

it('I8: a promoted night stays, whatever the retention; promotions of others are not lost', async () => {
  const bed = await pruneBed();
  const first = await bed.night(0, { a: '1' });
  const second = await bed.night(1, { a: '2' }, first);
  await bed.night(2, { a: '3' }, second);
  const keep = (commit: string, n: number, id: string) =>
    keepPromotedCommit(project(bed.dir), release(bed.dir, id), nightOf(commit, n), bed.target, bed.task);
  await Promise.all([keep(first, 0, '20260106_01'), keep(second, 1, '20260106_02')]);
  await keep(first, 0, '20260106_01');
  expect(await bed.readFar(PROMOTED)).toEqual({
    commits: {
      [first]: { build: nightId(0), release: '20260106_01' },
      [second]: { build: nightId(1), release: '20260106_02' },
    },
  });
  await bed.prune(retention({ depth: 1 }), noon(4));
  await bed.prune(retention({ depth: 1 }), noon(40));
  await bed.fsck();
  expect(await bed.target.read(`repo/objects/${first.slice(0, 2)}/${first.slice(2)}.commit`, bed.task)).toBeDefined();
});

it('a night that is gone is not named, since that would stop every prune', async () => {
  const bed = await pruneBed();
  const first = await bed.night(0, { a: '1' });
  await bed.night(1, { a: '2' }, first);
  await bed.prune(retention({ depth: 1 }), noon(4));
  await bed.prune(retention({ depth: 1 }), noon(40));
  await keepPromotedCommit(project(bed.dir), release(bed.dir, '20260106_01'), nightOf(first, 0), bed.target, bed.task);
  expect(bed.task.lines.at(-1)).toBe(`dir does not have ${nightId(0)} any more`);
  expect(await bed.target.read(PROMOTED, bed.task)).toBeUndefined();
});

it('a prune that began after the night was seen there makes it look again', async () => {
  const bed = await pruneBed();
  const first = await bed.night(0, { a: '1' });
  await bed.night(1, { a: '2' }, first);
  let swaps = 0;
  // Between the last look and the swap somebody begins to delete, and ends again.
  const racing: Target = {
    ...bed.target,
    describe: () => bed.target.describe(),
    read: (path, task) => bed.target.read(path, task),
    readMany: (paths, task) => bed.target.readMany(paths, task),
    swap: async (request, task) => {
      swaps += 1;
      if (swaps === 1) await (await beginDeleting(bed.target, task)).end(task);
      await bed.target.swap(request, task);
    },
  };
  await keepPromotedCommit(project(bed.dir), release(bed.dir, '20260106_01'), nightOf(first, 0), racing, bed.task);
  expect(swaps).toBe(2);
  expect(await bed.readFar(PROMOTED)).toMatchObject({ commits: { [first]: { release: '20260106_01' } } });

  await beginDeleting(bed.target, bed.task);
  const later = keepPromotedCommit(
    project(bed.dir),
    release(bed.dir, '20260106_02'),
    nightOf(first, 0),
    bed.target,
    bed.task,
  );
  await expect(later).rejects.toMatchObject({
    code: 'locked',
    message: expect.stringContaining('A prune is deleting'),
  });
});

it('I2: what is remembered beside the nightly builds is signed with their key, whoever promotes', async () => {
  const bed = await pruneBed();
  const first = await bed.night(0, { a: '1' });
  const [nights, releases] = [await makeFileKey(bed.dir), await makeFileKey(bed.dir, { name: 'other' })];
  const keyOf = ({ keyFile, passphrase }: typeof nights) =>
    `signing: {type: openpgp, key-file: ${keyFile}, passphrase-file: ${passphrase.file}}`;
  const text = `name: lab
work: ./signed-work
targets:
  ${bed.target.name}: {type: directory, path: ${bed.far}, url: 'http://localhost:1'}
  staging: {type: directory, path: ./staging, url: 'http://localhost:2'}
streams:
  nightly: {treefile: host.yaml, engine: dnf, ref: lab/nightly, targets: [${bed.target.name}], ${keyOf(nights)}}
  release: {promotes-from: nightly, ref: lab/release, targets: [staging], ${keyOf(releases)}}
`;
  await writeFile(join(bed.dir, 'host.yaml'), 'ref: lab/nightly\n');
  const config = parseConfig(text, join(bed.dir, 'atomic-nightly.yaml'));
  await keepPromotedCommit({ config }, release(bed.dir, '20260106_01'), nightOf(first, 0), bed.target, bed.task);
  const [file, signature] = [join(bed.far, PROMOTED), join(bed.far, `${PROMOTED}.asc`)];
  expect(await gpgv(nights.publicFile, signature, file)).toMatchObject({ code: 0 });
  expect((await gpgv(releases.publicFile, signature, file)).code).not.toBe(0);
});
