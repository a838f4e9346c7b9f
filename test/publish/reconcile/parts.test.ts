import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { sha256 } from '../../../src/base/files.ts';
import { filezChecksum } from '../../../src/ostree/filez.ts';
import { run } from '../../../src/programs/exec.ts';
import { ObjectTable } from '../../../src/publish/reconcile/object-table.ts';
import { makeRepo } from '../../support/ostree-repo.ts';
import { filesEnding, replaceFile, seededRandom } from '../../support/reconcile.ts';
import { temporaryFolder } from '../../support/tmp.ts';

it('digests content objects as ostree does: files, links, modes, extended attributes, nothing and much in them', async () => {
  const dir = temporaryFolder();
  const [repo, tree] = [await makeRepo(dir), join(dir, 'tree')];
  await mkdir(tree);
  await writeFile(join(tree, 'empty'), '');
  await writeFile(join(tree, 'large'), Buffer.alloc(3_000_000, 'a line of it\n'));
  await writeFile(join(tree, 'program'), '#!/bin/sh\n', { mode: 0o755 });
  await symlink('a/place', join(tree, 'link'));
  await writeFile(join(tree, 'capable'), 'x');
  await run('setcap', ['cap_net_raw+ep', join(tree, 'capable')]);
  await run('ostree', [`--repo=${repo}`, 'commit', '--orphan', `--tree=dir=${tree}`]);
  const objects = await filesEnding(join(repo, 'objects'), '.filez');
  expect(objects).toHaveLength(5);
  for (const path of objects) {
    expect(await filezChecksum(path)).toBe(basename(dirname(path)) + basename(path, '.filez'));
    const bytes = await readFile(path);
    for (const length of [0, 4, 11, bytes.length - 1]) {
      await replaceFile(path, bytes.subarray(0, length));
      expect(await filezChecksum(path), `${length} of ${bytes.length}`).not.toBe(
        basename(dirname(path)) + basename(path, '.filez'),
      );
    }
  }
});

it('keeps what it was told of each object, also when it grows', () => {
  const random = seededRandom(1);
  const types = ['filez', 'dirtree', 'dirmeta', 'commit', 'commitmeta'] as const;
  const table = new ObjectTable();
  const model = new Map<string, { bytes: number | undefined; needed: boolean }>();
  for (let call = 0; call < 30_000; call += 1) {
    const [checksum, type, bytes] = [sha256(String(random(6000))), types[random(5)] ?? 'filez', random(2 ** 40)];
    const key = `${checksum}.${type}`;
    const before = model.get(key) ?? { bytes: undefined, needed: false };
    if (random(2) === 0) {
      table.addListed(checksum, type, bytes);
      model.set(key, { ...before, bytes });
    } else {
      if (table.need(checksum, type) === before.needed) expect.fail(`${key} is said to be new twice, or never`);
      model.set(key, { ...before, needed: true });
    }
  }
  const entries = [...table.entries()];
  const wrong = entries.filter(({ checksum, type, bytes, needed }) => {
    const known = model.get(`${checksum}.${type}`);
    return known?.bytes !== bytes || known?.needed !== needed;
  });
  expect(wrong).toEqual([]);
  expect(entries).toHaveLength(model.size);
  expect(model.size).toBeGreaterThan(15_000);
  expect(table.bytesOf(sha256('none'), 'filez')).toBeUndefined();
});
