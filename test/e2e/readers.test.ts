import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { TargetConfig } from '../../src/config/config.ts';
import { run } from '../../src/programs/exec.ts';
import { gpgStopAgent } from '../../src/programs/gpg.ts';
import { type Fault, startFaultProxy } from '../support/fault-proxy.ts';
import { mountTmpfs } from '../support/mounts.ts';
import { serveFolder } from '../support/nginx.ts';
import { TEST_REF } from '../support/ostree-repo.ts';
import { pruner } from '../support/reader-pruner.ts';
import {
  type Counts,
  fillDisk,
  type PublishEnd,
  publishInProcess,
  publishUntil,
  type WaitingBuild,
  waitingBuilds,
} from '../support/reader-scenario.ts';
import { readInLoop, type Tally } from '../support/readers.ts';
import { startRsyncd } from '../support/rsyncd.ts';
import { makeKey, type TestKey } from '../support/signing-key.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

/** How long each fault goes on; READER_SECONDS=600 for a night's worth. */
const SECONDS = Number(process.env['READER_SECONDS'] ?? 3);
/** Builds that wait: a publish takes about a second. */
const BUILDS = Math.max(14, Math.ceil(SECONDS * 1.5));

/** Milliseconds in which a publisher that has begun is done, more or less. */
const PUBLISH_MS = 500;

interface Row extends Counts {
  readonly reads: number;
  readonly failed: number;
  readonly 'signature raced': number;
  readonly 'failed after a retry': number;
  readonly inconsistent: number;
  readonly 'by delta': number;
}

const table: Record<string, Row> = {};
let work = '';
let builds: WaitingBuild[] = [];
let signing: TestKey;
let dropWork: () => Promise<unknown> = async () => undefined;

beforeAll(
  async () => {
    const { stdout } = await run('mktemp', ['-d']);
    const dir = stdout.trim();
    work = join(dir, 'work');
    dropWork = () => run('rm', ['-rf', dir]);
    signing = await makeKey(dir);
    const remove = dropWork;
    dropWork = async () => {
      await gpgStopAgent(signing.home, testTask(dir));
      await remove();
    };
    builds = await waitingBuilds(work, signing, BUILDS);
  },
  60_000 + BUILDS * 5_000,
);

afterAll(async () => {
  console.table(table);
  await dropWork();
});

interface Bed {
  readonly dir: string;
  /** The folder published: a small file system of its own. */
  readonly far: string;
  readonly port: number;
  readonly target: TargetConfig;
  publish(build: WaitingBuild, killAfter?: number): Promise<PublishEnd>;
}

/** A target behind nginx that has the first build. */
async function bed(open?: (dir: string, far: string, url: string) => Promise<TargetConfig>): Promise<Bed> {
  const dir = temporaryFolder();
  const far = join(dir, 'far');
  await mountTmpfs(far, `size=${20 + BUILDS}m`);
  const { url, port, stop } = await serveFolder({ root: far });
  onTestFinished(stop);
  const target: TargetConfig = open ? await open(dir, far, url) : { type: 'directory', name: 'far', path: far, url };
  const place = { work, target, signing, notes: join(dir, 'notes') };
  const publish = (build: WaitingBuild, killAfter?: number) => publishInProcess(place, build, killAfter);
  const first = builds[0];
  if (!first) throw new Error('there are builds');
  await mkdir(join(dir, 'readers'));
  while ((await publish(first)) !== 'done') await pause(100);
  return { dir, far, port, target, publish };
}

/** Reads through that port while `work` goes on, and puts what was seen into the table. */
async function readWhile(
  name: string,
  { dir }: Bed,
  port: number,
  activity: (end: number) => Promise<Counts>,
  faults: () => number = () => 0,
): Promise<Tally> {
  const stopped = new AbortController();
  const commits = builds.map(({ commit }) => commit);
  const options = {
    ...{ url: `http://127.0.0.1:${port}`, ref: TEST_REF, commits },
    ...{ dir: join(dir, 'readers', name), publicKeyFile: signing.publicKeyFile },
  };
  const reading = readInLoop(options, stopped.signal);
  const counts = await activity(Date.now() + SECONDS * 1000).finally(() => stopped.abort());
  const tally = await reading;
  const { reads, failed, raced, failedTwice, inconsistent, byDelta } = tally;
  const injected = faults() > 0 ? { injected: faults() } : {};
  const failures = { failed, 'signature raced': raced, 'failed after a retry': failedTwice };
  const seen = { reads, ...failures, inconsistent: inconsistent.length, 'by delta': byDelta };
  table[name] = { ...seen, ...counts, ...injected };
  expect(inconsistent).toEqual([]);
  expect(reads).toBeGreaterThan(3);
  return tally;
}

/** On a server without faults a read fails for one reason only, a raced signature, and never twice. */
function expectSound({ failedTwice, reasons }: Tally): void {
  expect(reasons).toEqual([]);
  expect(failedTwice).toBe(0);
}

const waiting = (): WaitingBuild[] => builds.slice(1);
const quiet = (end: number): Promise<Counts> => publishUntil(end, [], async () => undefined);

/** Publishes until it is done; what ends it before is counted. */
async function untilDone(publish: () => Promise<PublishEnd>, count: (what: string) => void): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const end = await publish();
    if (end === 'done') return;
    count(end);
  }
  throw new Error('a publish does not come to its end');
}

describe('I1, I4: readers of a server without faults', () => {
  it('see none when nobody publishes', async () => {
    const place = await bed();
    const tally = await readWhile('nobody publishes', place, place.port, quiet);
    expectSound(tally);
    expect(tally.raced).toBe(0);
  });

  it('see none that a retry would see while builds are published one after the other', async () => {
    const place = await bed();
    const tally = await readWhile('publishing', place, place.port, (end) =>
      publishUntil(end, waiting(), (build, count) => untilDone(() => place.publish(build), count)),
    );
    expectSound(tally);
    expect(table['publishing']?.['published']).toBeGreaterThan(1);
    expect(table['publishing']?.['by delta']).toBeGreaterThan(1);
  });

  it('see none that a retry would see while old commits are removed as new ones come', async () => {
    const place = await bed();
    const prune = pruner({ work, ...place });
    const tally = await readWhile('pruning', place, place.port, (end) =>
      publishUntil(
        end,
        waiting(),
        async (build, count) => {
          const pruning = pause(Math.random() * PUBLISH_MS).then(prune);
          await untilDone(() => place.publish(build), count);
          const removed = await pruning;
          if (typeof removed === 'string') count(`prune ${removed}`);
          else for (let n = 0; n < removed; n += 1) count('commits removed');
        },
        'commits removed',
      ),
    );
    expectSound(tally);
    expect(table['pruning']?.['commits removed']).toBeGreaterThan(1);
    await run('ostree', [`--repo=${join(place.far, 'repo')}`, 'fsck', '--quiet']);
  });

  it('see none that a retry would see while publishers are killed and go on', async () => {
    const place = await bed();
    const tally = await readWhile('kill -9', place, place.port, (end) =>
      publishUntil(
        end,
        waiting(),
        async (build, count) => {
          for (let tries = 0; tries < 4; tries += 1) {
            if ((await place.publish(build, Math.random() * PUBLISH_MS)) !== 'killed') break;
            count('killed');
            // Time for the readers to look at what was left half done.
            await pause(500);
          }
          await untilDone(() => place.publish(build), count);
        },
        'killed',
      ),
    );
    expectSound(tally);
    expect(table['kill -9']?.['killed']).toBeGreaterThan(1);
    await run('ostree', [`--repo=${join(place.far, 'repo')}`, 'fsck', '--quiet']);
  });

  it('see none that a retry would see while the disk is full and freed', async () => {
    const place = await bed();
    const tally = await readWhile('disk full', place, place.port, (end) =>
      publishUntil(
        end,
        waiting(),
        async (build, count) => {
          // Full at the first object, among them, or at the image.
          const free = await fillDisk(place.far, Math.floor(Math.random() * 300_000));
          const first = await place.publish(build).finally(free);
          if (first !== 'done') count(first);
          await untilDone(() => place.publish(build), count);
        },
        'disk-full',
      ),
    );
    expectSound(tally);
    expect(table['disk full']?.['disk-full']).toBeGreaterThan(0);
    await run('ostree', [`--repo=${join(place.far, 'repo')}`, 'fsck', '--quiet']);
  });
});

/** A publisher that goes through a proxy of its own to an rsync daemon. */
const throughProxy =
  (fault: Fault) =>
  async (dir: string, far: string, url: string): Promise<TargetConfig> => {
    const daemon = await startRsyncd(join(dir, 'rsyncd'), far);
    const { port } = await startFaultProxy(daemon.port, fault);
    const destination = daemon.destination.replace(`:${daemon.port}/`, `:${port}/`);
    return { type: 'rsync', name: 'far', destination, ssh: {}, passwordFile: daemon.passwordFile, url };
  };

describe('readers behind a bad link see its faults and no others, whether or not somebody publishes', () => {
  it.each<readonly [string, Fault, Fault | undefined, RegExp]>([
    [
      'connections cut',
      { cut: 0.5 },
      { cut: 0.2 },
      /reset|recv|closed|transfer|empty reply|partial|\[(18|52|55|56)\]/i,
    ],
    ['throttled', { bytesPerSecond: 400_000 }, { bytesPerSecond: 400_000 }, /never/],
    ['HTTP 500', { errors: 0.03 }, undefined, /\b500\b/],
  ])('%s', async (name, forReaders, forPublisher, kind) => {
    const place = await bed(forPublisher && throughProxy(forPublisher));
    const proxy = await startFaultProxy(place.port, forReaders);
    const control = await readWhile(`${name}, nobody publishes`, place, proxy.port, quiet, proxy.faults);
    const before = proxy.faults();
    const injected = (): number => proxy.faults() - before;
    const publishing = (end: number): Promise<Counts> =>
      publishUntil(end, waiting(), (build, count) => untilDone(() => place.publish(build), count));
    const { reasons } = await readWhile(name, place, proxy.port, publishing, injected);
    expect(control.reasons.filter((reason) => !kind.test(reason))).toEqual([]);
    expect(reasons.filter((reason) => !kind.test(reason))).toEqual([]);
    expect(table[name]?.['published']).toBeGreaterThan(1);
    await run('ostree', [`--repo=${join(place.far, 'repo')}`, 'fsck', '--quiet']);
  });
});
