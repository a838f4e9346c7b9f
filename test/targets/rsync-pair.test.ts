import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { rsyncTarget } from '../../src/targets/rsync/rsync-target.ts';
import { startRsyncd } from '../support/rsyncd.ts';
import { startSlowLink } from '../support/slow-link.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

it('a summary and its signature appear one right after the other on a slow link, after the ref and before what follows', async () => {
  const dir = temporaryFolder();
  const far = join(dir, 'far');
  const daemon = await startRsyncd(join(dir, 'rsyncd'), far);
  const link = await startSlowLink({ port: daemon.port, roundTripMs: 50 });
  onTestFinished(link.stop);
  const destination = daemon.destination.replace(`:${daemon.port}/`, `:${link.port}/`);
  const { passwordFile } = daemon;
  const target = rsyncTarget({ type: 'rsync', name: 'far', destination, ssh: {}, passwordFile, url: 'http://none' });
  await mkdir(join(far, 'repo/refs'), { recursive: true });
  const paths = ['repo/refs/nightly', 'repo/summary.sig', 'repo/summary', 'repo/config'];
  // Twice: new files, and over those that are there.
  for (const expected of [undefined, Buffer.from('0 repo/config')]) {
    const version = expected === undefined ? 0 : 1;
    const put = paths.map((path) => ({ path, content: Buffer.from(`${version} ${path}`) }));
    await target.swap({ expect: [{ path: 'repo/config', content: expected }], put }, testTask(dir));
    // A rename is the last thing that changes this time.
    const [ref = 0, signature = 0, summary = 0, config = 0] = await Promise.all(
      paths.map(async (path) => (await stat(join(far, path))).ctimeMs),
    );
    expect(Math.abs(summary - signature)).toBeLessThan(50);
    expect(Math.min(summary, signature) - ref).toBeGreaterThan(50);
    expect(config - Math.max(summary, signature)).toBeGreaterThan(50);
  }
  expect((await readdir(join(far, 'repo'))).sort()).toEqual(['config', 'refs', 'summary', 'summary.sig']);
});
