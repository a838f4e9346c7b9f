/**
 * Measures a push of 1,500 changed files into a repository of many objects, to an account that takes pushes, against Debian's
 * ostree-push, `rsync -a`, and tar of the new objects over ssh: on loopback, and through a proxy that adds a round trip. They are
 * measured in turns. Prints seconds (median, and each) and ratios. What each does:
 *   push         the whole command: starts the program on both sides, finds out what is new, checks every object, moves the ref and
 *                the summary, and syncs to disk before that
 *   ostree-push  the same but for the sync, with `ostree-receive` in place of a shell's commands
 *   rsync -a     finds out by itself what is new; checks and syncs nothing
 *   tar          is told what is new, and sends it; checks and syncs nothing: what a transfer costs in any case
 *   tar, synced  the same, then `sync --file-system`
 *   ssh, node    a connection that does nothing, and a start of Node that does nothing: what is in each push once, and twice
 *
 *   npm run bench:push -- FOLDER
 *
 * FOLDER keeps the generated repository for the next time. For a quick try: BENCH_PUSH_OBJECTS (60000), BENCH_PUSH_RUNS (5),
 * BENCH_PUSH_ROUND_TRIP (50 ms; 0: not measured). On a machine with other work: under `chrt -r 5`.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { run } from '../../src/programs/exec.ts';
import { findProgram } from '../../src/programs/find-program.ts';
import { sshArguments } from '../../src/programs/ssh.ts';
import { benchRepo } from '../support/bench-repo.ts';
import { TEST_REF } from '../support/ostree-repo.ts';
import { publishBed } from '../support/publish-bed.ts';
import { SSH_METHODS } from '../support/publish-methods.ts';
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

interface Contender {
  readonly name: string;
  /** Whether the ref has moved afterwards. */
  readonly isWhole: boolean;
  publish(): Promise<unknown>;
}

/** Ours and the peers, at these ports of the two servers. */
async function contenders(ports: { readonly receiver: number; readonly shell: number }): Promise<Contender[]> {
  const url = `ssh://root@127.0.0.1:${ports.receiver}/`;
  const push = ['push', '--repo', bed.repo, ...receiver.as('bench'), TEST_REF, url];
  const way = { identityFile: shell.identityFile, knownHostsFile: shell.knownHostsFile, port: ports.shell };
  const far = (command: string) => run('ssh', [...sshArguments(way), 'root@127.0.0.1', command]);
  const method = (name: string, label: string, isWhole = true): Contender => {
    const found = SSH_METHODS.find((one) => one.name === name);
    if (!found) throw new Error(`no method ${name}`);
    return { name: label, isWhole, publish: () => found.publish(bed, way) };
  };
  const tar = method('tar of the new objects', 'tar', false);
  const synced = async () => {
    await tar.publish();
    await far(`sync --file-system ${bed.far}`);
  };
  const peers = (await findProgram('ostree-push')) ? [method('ostree-push', 'ostree-push')] : [];
  return [
    { name: 'node', isWhole: false, publish: () => run(process.execPath, ['-e', '0']) },
    { name: 'ssh', isWhole: false, publish: () => far('true') },
    { name: 'push', isWhole: true, publish: () => run(program, push) },
    tar,
    { name: 'tar, synced', isWhole: false, publish: synced },
    method('rsync -a', 'rsync -a'),
    ...peers,
  ];
}

async function measure(title: string, ports: { readonly receiver: number; readonly shell: number }): Promise<void> {
  console.log(`\n${title}`);
  const all = (await contenders(ports)).map((one) => ({ ...one, seconds: [] as number[] }));
  for (let turn = 0; turn < runs; turn += 1) {
    for (const one of all) if ((one.seconds.at(-1) ?? 0) < SLOW_SECONDS) one.seconds.push(await timed(one));
  }
  const ours = median(all.find(({ name }) => name === 'push')?.seconds ?? []);
  for (const { name, seconds } of all) {
    const each = seconds.map((one) => one.toFixed(2)).join(' ');
    const ratio = median(seconds) / ours;
    const says = ratio < 1 ? `push takes ${(1 / ratio).toFixed(2)} of it` : `it takes ${ratio.toFixed(1)} of push`;
    console.log(
      `  ${name.padEnd(12)} ${median(seconds).toFixed(2).padStart(7)} s  ${name === 'push' ? '' : says}  (${each})`,
    );
  }
}

async function timed({ isWhole, publish }: Contender): Promise<number> {
  await bed.restore();
  const begun = performance.now();
  await publish();
  const seconds = (performance.now() - begun) / 1000;
  if (isWhole) await bed.confirm();
  return seconds;
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
