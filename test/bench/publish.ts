/**
 * Measures publishing an increment of 1,500 changed files to a repository of many objects, each method from a restored
 * base, on a folder of this machine, over ssh on loopback, and over ssh through a proxy that adds a round trip. The plan
 * and the flip are in our times; the peers' are those of their commands. Ours syncs to disk before it moves the ref, no
 * peer does. Prints seconds (median), what the proxy counted, and how many times as long as the fastest of ours a peer takes.
 *
 *   npm run bench:publish -- FOLDER [OBJECTS [RUNS [ROUND_TRIP_MS]]]
 *
 * FOLDER keeps the generated repository for the next time. OBJECTS: 60000, RUNS: 3, ROUND_TRIP_MS: 50 (0: not measured).
 */
import { appendFile, mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { findProgram } from '../../src/doctor/programs.ts';
import { benchRepo } from '../support/bench-repo.ts';
import { type PublishBed, publishBed } from '../support/publish-bed.ts';
import { LOCAL_METHODS, type PublishMethod, SSH_METHODS, type SshWay } from '../support/publish-methods.ts';
import type { LinkCounts } from '../support/slow-link.ts';
import { type SlowLinkApart, startSlowLinkApart } from '../support/slow-link-apart.ts';
import { launchSshd } from '../support/sshd.ts';
import { median } from '../support/statistics.ts';

interface Figure {
  readonly method: PublishMethod;
  readonly seconds: number;
  readonly counts?: LinkCounts;
}

/** A method that takes longer than this is run once. */
const SLOW_SECONDS = 20;

const [folder, objects = '60000', runs = '3', roundTrip = '50'] = process.argv.slice(2);
if (!folder) throw new Error('Usage: npm run bench:publish -- FOLDER [OBJECTS [RUNS [ROUND_TRIP_MS]]]');
const dir = resolve(folder);
await mkdir(dir, { recursive: true });
const bed = await publishBed(await benchRepo(dir, Number(objects)), dir);
console.log(`${objects} objects, ${bed.fresh.length} new; median of ${runs}`);
await rm(join(dir, 'sshd'), { recursive: true, force: true });
const sshd = await launchSshd(join(dir, 'sshd'), {});
try {
  await measure('folder of this machine', LOCAL_METHODS, sshd);
  await measure('ssh on loopback', SSH_METHODS, sshd);
  if (Number(roundTrip) > 0) {
    const link = await startSlowLinkApart({ port: sshd.port, roundTripMs: Number(roundTrip) });
    // rclone wants the very port.
    await appendFile(sshd.knownHostsFile, `[127.0.0.1]:${link.port} ${sshd.hostKey}\n`);
    await measure(`ssh, round trip ${roundTrip} ms`, SSH_METHODS, { ...sshd, port: link.port }, link);
    link.stop();
  }
} finally {
  await sshd.stop();
}

async function measure(
  title: string,
  methods: readonly PublishMethod[],
  way: SshWay,
  link?: SlowLinkApart,
): Promise<void> {
  console.log(`\n${title}`);
  const figures: Figure[] = [];
  for (const method of methods) {
    const lacking: string[] = [];
    for (const need of method.needs) if (!(await findProgram(need))) lacking.push(need);
    if (lacking.length > 0) {
      console.log(`  ${method.name}: left out, not installed: ${lacking.join(', ')}`);
      continue;
    }
    try {
      const figure = await timed(method, bed, way, link);
      console.log(shown(figure));
      figures.push(figure);
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
  while (seconds.length < Number(runs) && (seconds.at(-1) ?? 0) < SLOW_SECONDS) {
    await at.restore();
    link?.reset();
    const begun = performance.now();
    await method.publish(at, way);
    seconds.push((performance.now() - begun) / 1000);
    counts = await link?.counts();
    if (method.kind !== 'floor') await at.confirm();
  }
  return { method, seconds: median(seconds), ...(counts ? { counts } : {}) };
}

function shown({ method, seconds, counts }: Figure): string {
  const line = `  ${method.name.padEnd(24)} ${seconds.toFixed(2).padStart(7)} s`;
  if (!counts) return line;
  const { bytesUp, bytesDown, roundTrips, connections } = counts;
  const bytes = `${(bytesUp / 1e6).toFixed(2)} MB up, ${(bytesDown / 1e6).toFixed(2)} MB down`;
  return `${line}  ${bytes}, ${roundTrips} round trips, ${connections} connections`;
}
