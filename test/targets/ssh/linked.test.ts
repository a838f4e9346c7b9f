import { link, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sshBed } from '../../support/target-beds.ts';
import { testTask } from '../../support/tmp.ts';

it('sends objects while they get further names, as by a directory target at the same time', async () => {
  const { dir, source, target } = await sshBed();
  const task = testTask(dir);
  await target.check(task);
  const paths = Array.from({ length: 40 }, (_, index) => `repo/objects/aa/${index}.filez`);
  for (const path of paths) await writeFile(join(source, path), Buffer.alloc(1 << 20, path));
  await mkdir(join(dir, 'links'));
  let sending = true;
  const linking = (async () => {
    for (let count = 0; sending; count += 1) {
      const path = paths[count % paths.length] ?? '';
      await link(join(source, path), join(dir, 'links', String(count)));
    }
  })();
  const sent = await target.send(source, paths, { immutable: true }, task).finally(() => {
    sending = false;
  });
  await linking;
  expect(sent).toEqual({ files: 40, bytes: 40 << 20 });
});
