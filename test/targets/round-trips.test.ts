import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startSlowLink } from '../support/slow-link.ts';
import { startSshd } from '../support/sshd.ts';
import { accessOf, bed, rsyncOverSsh, tarOverSsh } from '../support/target-beds.ts';
import { testTask } from '../support/tmp.ts';

it.each([
  ['ssh', tarOverSsh],
  ['rsync', (ssh: ReturnType<typeof accessOf>, far: string) => rsyncOverSsh(ssh, `root@127.0.0.1:${far}`)],
])(
  'takes no more round trips over %s for 1000 objects than for 10',
  async (_, open) => {
    const { dir, far, source } = await bed();
    const sshd = await startSshd(join(dir, 'sshd'));
    const link = await startSlowLink({ port: sshd.port, roundTripMs: 100 });
    onTestFinished(link.stop);
    const target = open(accessOf(sshd, link.port), far);
    const task = testTask(dir);
    await target.check(task);
    const trips = async (count: number): Promise<number> => {
      const folder = `repo/objects/${count}`;
      await mkdir(join(source, folder));
      const paths = Array.from({ length: count }, (_, index) => `${folder}/${index}.filez`);
      for (const path of paths) await writeFile(join(source, path), path);
      link.reset();
      expect((await target.send(source, paths, { immutable: true }, task)).files).toBe(count);
      expect(await readdir(join(far, folder))).toHaveLength(count);
      return link.counts().roundTrips;
    };
    const few = await trips(10);
    expect(few).toBeGreaterThan(0);
    expect((await trips(1000)) - few).toBeLessThanOrEqual(10);
    expect(link.counts().connections).toBe(0);
  },
  60_000,
);
