/**
 * Measures publishing an increment of 1,500 changed files to a repository of many objects, each method from a restored
 * base, on a folder of this machine, over ssh on loopback, and over ssh through a proxy that adds a round trip. The plan
 * and the flip are in our times; the peers' are those of their commands. Ours syncs to disk before it moves the ref, no
 * peer does. Prints seconds (median), what the proxy counted, and how many times as long as the fastest of ours a peer takes.
 *
 *   npm run bench:publish -- FOLDER [OBJECTS [RUNS [ROUND_TRIP_MS]]] [--s3]
 *
 * FOLDER keeps the generated repository for the next time. OBJECTS: 60000, RUNS: 3, ROUND_TRIP_MS: 50 (0: not measured).
 *
 * With --s3 it measures S3 instead: to a gateway of Ceph's (Debian's radosgw, everything in memory) that it starts on
 * loopback, ours against `rclone sync`, each to a bucket that has the base by its own hand. To upload the base twice takes
 * minutes (about one per 10,000 objects on two busy cores). Seconds are measured without anything in between; the requests are
 * those of one more run, counted by a proxy. CPU time is our client's.
 */
import { appendFile, mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { findProgram } from '../../src/programs/find-program.ts';
import { benchRepo } from '../support/bench-repo.ts';
import { type PublishBed, publishBed } from '../support/publish-bed.ts';
import {
  LOCAL_METHODS,
  type Method,
  type PublishMethod,
  S3_METHODS,
  SSH_METHODS,
  type SshWay,
} from '../support/publish-methods.ts';
import { launchRadosgw, useKeys } from '../support/radosgw.ts';
import { type S3Bed, type S3Owner, s3Bed } from '../support/s3-bench.ts';
import { launchS3Proxy } from '../support/s3-proxy.ts';
import type { LinkCounts } from '../support/slow-link.ts';
import { type SlowLinkApart, startSlowLinkApart } from '../support/slow-link-apart.ts';
import { launchSshd } from '../support/sshd.ts';
import { median } from '../support/statistics.ts';

interface Figure {
  readonly seconds: number;
  readonly counts?: LinkCounts;
  /** Each method with how often it came. */
  readonly requests?: ReadonlyMap<string, number>;
  /** Milliseconds of CPU time of this process for each new object; not known of other programs. */
  readonly cpuMs?: number;
}

/** A method that takes longer than this is run once. */
const SLOW_SECONDS = 20;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { s3: { type: 'boolean' } } });
const [folder, objects = '60000', runs = '3', roundTrip = '50'] = positionals;
if (!folder) throw new Error('Usage: npm run bench:publish -- FOLDER [OBJECTS [RUNS [ROUND_TRIP_MS]]] [--s3]');
const dir = resolve(folder);
await mkdir(dir, { recursive: true });
const bed = await publishBed(await benchRepo(dir, Number(objects)), dir);
console.log(`${objects} objects, ${bed.fresh.length} new; median of ${runs}`);
if (values.s3) await measureS3();
else await measureFolders();

async function measureFolders(): Promise<void> {
  await rm(join(dir, 'sshd'), { recursive: true, force: true });
  const sshd = await launchSshd(join(dir, 'sshd'), {});
  const on = (way: SshWay, link?: SlowLinkApart) => (method: PublishMethod) => timed(method, bed, way, link);
  try {
    await measure('folder of this machine', LOCAL_METHODS, on(sshd));
    await measure('ssh on loopback', SSH_METHODS, on(sshd));
    if (Number(roundTrip) > 0) {
      const link = await startSlowLinkApart({ port: sshd.port, roundTripMs: Number(roundTrip) });
      // rclone wants the very port.
      await appendFile(sshd.knownHostsFile, `[127.0.0.1]:${link.port} ${sshd.hostKey}\n`);
      await measure(`ssh, round trip ${roundTrip} ms`, SSH_METHODS, on({ ...sshd, port: link.port }, link));
      link.stop();
    }
  } finally {
    await sshd.stop();
  }
}

async function measureS3(): Promise<void> {
  const { gateway, stop } = await launchRadosgw();
  useKeys(gateway.owner);
  const proxy = await launchS3Proxy(gateway.endpoint);
  const beds = new Map<S3Owner, S3Bed>();
  await bed.restore();
  try {
    await measure('S3, a gateway on loopback', S3_METHODS, async (method) => {
      const at = beds.get(method.owner) ?? (await s3Bed(bed, dir, method.owner, gateway));
      beds.set(method.owner, at);
      const seconds: number[] = [];
      const cpuMs: number[] = [];
      const publish = async (): Promise<void> => {
        const before = process.cpuUsage();
        await method.publish(bed, at.config);
        const { user, system } = process.cpuUsage(before);
        cpuMs.push((user + system) / 1000 / bed.fresh.length);
      };
      while (!isEnough(seconds)) seconds.push(await once(at, publish));
      const seen = proxy.seen.length;
      await once(at, () => method.publish(bed, { ...at.config, endpoint: proxy.endpoint }));
      const requests = new Map<string, number>();
      for (const { method: verb } of proxy.seen.slice(seen)) requests.set(verb, (requests.get(verb) ?? 0) + 1);
      return { seconds: median(seconds), requests, ...(method.kind === 'ours' ? { cpuMs: median(cpuMs) } : {}) };
    });
  } finally {
    await proxy.stop();
    await stop();
  }
}

/** @returns how many seconds the work took, from the base to the increment. */
async function once(at: Pick<PublishBed, 'restore' | 'confirm'>, work: () => Promise<unknown>): Promise<number> {
  await at.restore();
  const begun = performance.now();
  await work();
  const seconds = (performance.now() - begun) / 1000;
  await at.confirm();
  return seconds;
}

function isEnough(seconds: readonly number[]): boolean {
  return seconds.length >= Number(runs) || (seconds.at(-1) ?? 0) >= SLOW_SECONDS;
}

async function measure<Some extends Method>(
  title: string,
  methods: readonly Some[],
  time: (method: Some) => Promise<Figure>,
): Promise<void> {
  console.log(`\n${title}`);
  const figures: (Figure & { readonly method: Method })[] = [];
  for (const method of methods) {
    const lacking: string[] = [];
    for (const need of method.needs) if (!(await findProgram(need))) lacking.push(need);
    if (lacking.length > 0) {
      console.log(`  ${method.name}: left out, not installed: ${lacking.join(', ')}`);
      continue;
    }
    try {
      const figure = await time(method);
      console.log(shown(method.name, figure));
      figures.push({ ...figure, method });
    } catch (error) {
      console.log(`  ${method.name}: failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const ours = Math.min(...figures.filter(({ method }) => method.kind === 'ours').map(({ seconds }) => seconds));
  const compared = figures.flatMap(({ method, seconds }) => {
    if (method.kind === 'ours') return [];
    return [
      method.kind === 'floor'
        ? `ours takes ${(ours / seconds).toFixed(2)} of ${method.name} (target: 1.3)`
        : `${method.name} takes ${(seconds / ours).toFixed(1)} of ours (target: over 1)`,
    ];
  });
  console.log(compared.map((line) => `  ${line}`).join('\n'));
}

async function timed(method: PublishMethod, at: PublishBed, way: SshWay, link?: SlowLinkApart): Promise<Figure> {
  const seconds: number[] = [];
  let counts: LinkCounts | undefined;
  while (!isEnough(seconds)) {
    await at.restore();
    link?.reset();
    const begun = performance.now();
    await method.publish(at, way);
    seconds.push((performance.now() - begun) / 1000);
    counts = await link?.counts();
    if (method.kind !== 'floor') await at.confirm();
  }
  return { seconds: median(seconds), ...(counts ? { counts } : {}) };
}

function shown(name: string, { seconds, counts, requests, cpuMs }: Figure): string {
  const line = `  ${name.padEnd(24)} ${seconds.toFixed(2).padStart(7)} s`;
  if (requests) {
    const sum = [...requests.values()].reduce((total, count) => total + count, 0);
    const cpu = cpuMs === undefined ? '' : `, ${cpuMs.toFixed(2)} ms of CPU time for each object`;
    return `${line}  ${sum} requests: ${[...requests].map(([verb, count]) => `${count} ${verb}`).join(', ')}${cpu}`;
  }
  if (!counts) return line;
  const { bytesUp, bytesDown, roundTrips, connections } = counts;
  const bytes = `${(bytesUp / 1e6).toFixed(2)} MB up, ${(bytesDown / 1e6).toFixed(2)} MB down`;
  return `${line}  ${bytes}, ${roundTrips} round trips, ${connections} connections`;
}
