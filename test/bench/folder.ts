import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quietTask } from '../../src/base/task.ts';
import { createCheckoutEngine } from '../../src/engines/folder/checkout-engine.ts';
import { run } from '../../src/programs/exec.ts';
import { median } from '../support/statistics.ts';

/**
 * Commits a folder of 60,000 files of which 1,500 changed: as a nightly build does, as a nightly build of a folder that
 * was made again does, and with "ostree commit" by hand into an archive repository and into a bare-user one with
 * --link-checkout-speedup. Prints seconds, and how many times faster than the first by hand each was. Rounds alternate, so that the
 * load of the machine is the same for all. BENCH_FILES=N takes another number of files, a fortieth of which changes.
 *
 * Who only reads a folder reads the same one: writing a tree and its repository takes longer than all that is measured.
 */
const FILES = Number(process.env['BENCH_FILES'] ?? 60_000);
const [CHANGED, ROUNDS] = [Math.round(FILES / 40), 3];
const FOLDERS = 600;
const BY_HAND = 'ostree commit into an archive repository';

const dir = await mkdtemp(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'atomic-nightly-bench-'));
const task = quietTask();

/** Content of a file: about 8 kB, half of it text that compresses. */
function content(file: number, round: number): Buffer {
  const text = Buffer.from(`file ${file} of round ${round}\n`.repeat(150 + (file % 100)));
  const noise = Buffer.alloc(2000 + (file % 1000) * 4);
  for (let index = 0; index < noise.length; index += 4)
    noise.writeInt32LE(Math.imul(file + 1, index + round * 7919 + 3) | 0, index);
  return Buffer.concat([text, noise]);
}

const pathOf = (tree: string, file: number): string =>
  join(tree, `usr/share/d${file % 20}/e${file % FOLDERS}/f${file}`);

function fill(tree: string, files: Iterable<number>, round: number): void {
  for (const file of files) {
    rmSync(pathOf(tree, file), { force: true });
    writeFileSync(pathOf(tree, file), content(file, round));
  }
}

const changedIn = (round: number): number[] =>
  Array.from({ length: CHANGED }, (_, index) => (index * 37 + round * 11) % FILES);

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** What commits a folder. */
type Commit = () => Promise<unknown>;

async function engineOn(tree: string): Promise<Commit> {
  const repo = join(dir, 'engine-repo');
  await run('ostree', ['init', `--repo=${repo}`, '--mode=archive']);
  const engine = await createCheckoutEngine({ type: 'checkout', path: tree, owner: 'keep', var: 'folders' });
  const request = { cacheDir: join(dir, 'engine-cache'), scratchDir: join(dir, 'engine-scratch'), bootable: false };
  let build = 0;
  return async () => {
    build += 1;
    const dated = { ...request, timestamp: 1_700_000_000 + build };
    const { inputHash } = await engine.readInputs(dated, task);
    await engine.compose({ ...dated, inputHash, repo, ref: 'a', version: String(build) }, task);
  };
}

async function byHand(repo: string, tree: string, mode: string, options: readonly string[]): Promise<Commit> {
  await run('ostree', ['init', `--repo=${repo}`, `--mode=${mode}`]);
  const args = ['commit', `--repo=${repo}`, '--branch=a', `--tree=dir=${tree}`, ...options];
  return () => run('ostree', args);
}

/** What is there before anything is measured; whether it would survive a power cut does not matter. */
async function firstCommit(repo: string, tree: string): Promise<void> {
  await run('ostree', ['commit', `--repo=${repo}`, '--branch=a', `--tree=dir=${tree}`, '--fsync=false']);
}

const begun = performance.now();
const say = (what: string): void => console.error(`${((performance.now() - begun) / 1000).toFixed(0)} s: ${what}`);

try {
  const [tree, linked, linkedRepo] = [join(dir, 'tree'), join(dir, 'linked'), join(dir, 'bare-user-repo')];
  say(`writing ${FILES} files`);
  for (let file = 0; file < Math.min(FILES, FOLDERS * 20); file += 1) {
    mkdirSync(join(pathOf(tree, file), '..'), { recursive: true });
  }
  fill(
    tree,
    Array.from({ length: FILES }, (_, file) => file),
    0,
  );
  /** What the option is for: a checkout of the last commit whose files are the objects themselves. */
  const checkOut = async () => {
    await run('rm', ['-rf', linked]);
    await run('ostree', ['checkout', `--repo=${linkedRepo}`, '-U', '-H', 'a', linked]);
  };
  const archiveRepo = join(dir, 'archive-repo');
  const archive = await byHand(archiveRepo, tree, 'archive', []);
  const bareUser = await byHand(linkedRepo, linked, 'bare-user', ['--link-checkout-speedup']);
  const engine = await engineOn(tree);
  // What was written just now is read again by anybody who goes by times.
  await sleep(2500);
  say('first commits');
  for (const repo of [archiveRepo, linkedRepo]) await firstCommit(repo, tree);
  await engine();
  await sleep(2500);
  await engine();

  const times = new Map<string, number[]>();
  const measure = async (name: string, commit: Commit) => {
    // What was written to the folders just now is nobody's work.
    await run('sync', ['--file-system', dir]);
    const took = await seconds(commit);
    times.set(name, [...(times.get(name) ?? []), took]);
    say(`${name}: ${took.toFixed(2)} s`);
  };
  for (let round = 1; round <= ROUNDS; round += 1) {
    say(`round ${round} of ${ROUNDS}`);
    fill(tree, changedIn(2 * round), 2 * round);
    await measure(BY_HAND, archive);
    await measure('nightly build of the folder (inputs and compose)', engine);
    await checkOut();
    fill(linked, changedIn(2 * round), 2 * round);
    await measure('ostree commit into bare-user, --link-checkout-speedup', bareUser);
    await run('cp', ['-a', tree, `${tree}-copy`]);
    await run('rm', ['-rf', tree]);
    await run('mv', [`${tree}-copy`, tree]);
    fill(tree, changedIn(2 * round + 1), 2 * round + 1);
    await measure('nightly build of a folder that was made again', engine);
    // Told apart from now on by times that are not of this moment.
    await sleep(2500);
    await engine();
  }
  const slowest = median(times.get(BY_HAND) ?? []);
  for (const [name, all] of times) {
    const each = all.map((one) => one.toFixed(2)).join(', ');
    const ratio = (slowest / median(all)).toFixed(1);
    console.log(`${name}: ${median(all).toFixed(2)} s (${each}), ${ratio} times as fast as the first`);
  }
} finally {
  await run('rm', ['-rf', dir]);
}
