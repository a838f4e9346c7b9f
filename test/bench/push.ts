/**
 * Measures a push of 1,500 changed files into a repository of many objects, to an account that takes pushes, against Debian's
 * ostree-push, `rsync -a`, and tar of the new objects over ssh: on loopback, and through a proxy that adds a round trip. Ours is
 * the whole command, with the start of the program on both sides, every check, and a sync to disk before the ref moves; no peer
 * does that. Prints seconds (median) and ratios.
 *
 *   npm run bench:push -- FOLDER
 *
 * FOLDER keeps the generated repository for the next time. For a quick try: BENCH_PUSH_OBJECTS (60000), BENCH_PUSH_RUNS (5),
 * BENCH_PUSH_ROUND_TRIP (50 ms; 0: not measured).
 */
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { run } from '../../src/programs/exec.ts';
import { findProgram } from '../../src/programs/find-program.ts';
import { benchRepo } from '../support/bench-repo.ts';
import { TEST_REF } from '../support/ostree-repo.ts';
import { publishBed } from '../support/publish-bed.ts';
import { type PublishMethod, SSH_METHODS } from '../support/publish-methods.ts';
import { launchReceiver } from '../support/receiver.ts';
import { startSlowLinkApart } from '../support/slow-link-apart.ts';
import { launchSshd } from '../support/sshd.ts';
import { median } from '../support/statistics.ts';

const program = new URL('../../bin/atomic-nightly.js', import.meta.url).pathname;

const [folder] = process.argv.slice(2);
if (!folder) throw new Error('Usage: npm run bench:push -- FOLDER');
const setting = (name: string, byDefault: number): number => Number(process.env[`BENCH_PUSH_${name}`] ?? byDefault);
const [objects, runs, roundTrip] = [setting('OBJECTS', 60_000), setting('RUNS', 5), setting('ROUND_TRIP', 50)];

/** A method that takes longer than this is run once. */
const SLOW_SECONDS = 20;

const dir = resolve(folder);
await mkdir(dir, { recursive: true });
const bed = await publishBed(await benchRepo(dir, objects), dir);
for (const name of ['receiver', 'sshd']) await rm(join(dir, name), { recursive: true, force: true });
const receiver = await launchReceiver(join(dir, 'receiver'), ['bench']);
const shell = await launchSshd(join(dir, 'sshd'), {});
await receiver.allow({ bench: { root: bed.far, refs: [TEST_REF] } });

/** Ours and the peers, at these ports of the two servers. */
const peers = ['ostree-push', 'rsync -a', 'tar of the new objects'];

async function measure(title: string, ports: { readonly receiver: number; readonly shell: number }): Promise<void> {
  console.log(`\n${title}`);
  const url = `ssh://root@127.0.0.1:${ports.receiver}/`;
  const push = ['push', '--repo', bed.repo, ...receiver.as('bench'), TEST_REF, url];
  const way = { identityFile: shell.identityFile, knownHostsFile: shell.knownHostsFile, port: ports.shell };
  const ours = await timed('push', true, () => run(program, push));
  for (const method of SSH_METHODS.filter(({ name }) => peers.includes(name))) await compare(method, ours, way);
}

async function compare(
  method: PublishMethod,
  ours: number,
  way: Parameters<PublishMethod['publish']>[1],
): Promise<void> {
  for (const need of method.needs) {
    if (await findProgram(need)) continue;
    console.log(`  ${method.name}: left out, not installed`);
    return;
  }
  const seconds = await timed(method.name, method.kind !== 'floor', () => method.publish(bed, way));
  if (method.kind === 'floor')
    console.log(`    push takes ${(ours / seconds).toFixed(2)} of ${method.name} (target: 1.3)`);
  else console.log(`    ${method.name} takes ${(seconds / ours).toFixed(1)} of push`);
}

async function timed(name: string, isWhole: boolean, work: () => Promise<unknown>): Promise<number> {
  const all: number[] = [];
  while (all.length < runs && (all.at(-1) ?? 0) < SLOW_SECONDS) {
    await bed.restore();
    const begun = performance.now();
    await work();
    all.push((performance.now() - begun) / 1000);
    if (isWhole) await bed.confirm();
  }
  console.log(
    `  ${name.padEnd(24)} ${median(all).toFixed(2).padStart(7)} s  (${all.map((one) => one.toFixed(2)).join(' ')})`,
  );
  return median(all);
}

console.log(`${objects} objects, ${bed.fresh.length} new; median of ${runs}`);
try {
  await measure('ssh on loopback', { receiver: receiver.sshd.port, shell: shell.port });
  if (roundTrip > 0) {
    const links = await Promise.all(
      [receiver.sshd.port, shell.port].map((port) => startSlowLinkApart({ port, roundTripMs: roundTrip })),
    );
    const [first, second] = links;
    if (first && second) await measure(`ssh, round trip ${roundTrip} ms`, { receiver: first.port, shell: second.port });
    for (const link of links) link.stop();
  }
} finally {
  await receiver.stop();
  await shell.stop();
}
