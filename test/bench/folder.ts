import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quietTask } from '../../src/base/task.ts';
import { createCheckoutEngine } from '../../src/engines/folder/checkout-engine.ts';
import { run } from '../../src/programs/exec.ts';

/**
 * Commits a folder of 60,000 files of which 1,500 changed: as a nightly build does, as a nightly build of a folder that
 * was made again does, and with "ostree commit" by hand into an archive repository and into a bare-user one with
 * --link-checkout-speedup. Prints seconds, and how many times faster than the first by hand each was. Rounds alternate, so that the
 * load of the machine is the same for all. BENCH_FILES=N takes another number of files, a fortieth of which changes.
 */
const FILES = Number(process.env['BENCH_FILES'] ?? 60_000);
const [CHANGED, ROUNDS] = [Math.round(FILES / 40), 3];
const FOLDERS = 600;

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

/** What commits a folder, with the folder it is used on. */
interface Contender {
  readonly name: string;
  readonly tree: string;
  commit(): Promise<unknown>;
  /** Makes the folder again in another way than by writing the files that changed. */
  again?(): Promise<void>;
}

async function engineOn(name: string, tree: string): Promise<Contender> {
  const repo = join(dir, `${name}-repo`);
  await run('ostree', ['init', `--repo=${repo}`, '--mode=archive']);
  const engine = await createCheckoutEngine({ type: 'checkout', path: tree, owner: 'keep', var: 'folders' });
  const request = { cacheDir: join(dir, `${name}-cache`), scratchDir: join(dir, `${name}-scratch`), bootable: false };
  let build = 0;
  const commit = async () => {
    build += 1;
    const dated = { ...request, timestamp: 1_700_000_000 + build };
    const { inputHash } = await engine.readInputs(dated, task);
    await engine.compose({ ...dated, inputHash, repo, ref: 'a', version: String(build) }, task);
  };
  return { name, tree, commit };
}

async function byHand(name: string, tree: string, mode: string, options: readonly string[]): Promise<Contender> {
  const repo = join(dir, `${name}-repo`);
  await run('ostree', ['init', `--repo=${repo}`, `--mode=${mode}`]);
  const args = ['commit', `--repo=${repo}`, '--branch=a', `--tree=dir=${tree}`, ...options];
  return { name, tree, commit: () => run('ostree', args) };
}

try {
  const trees = { engine: join(dir, 'a'), anew: join(dir, 'b'), archive: join(dir, 'c'), linked: join(dir, 'd') };
  for (const tree of Object.values(trees)) {
    for (let folder = 0; folder < FILES; folder += 1) {
      if (folder < FOLDERS * 20) mkdirSync(join(pathOf(tree, folder), '..'), { recursive: true });
    }
    fill(tree, Array.from({ length: FILES }, (_, file) => file).values(), 0);
  }
  const linked = await byHand('bare-user', trees.linked, 'bare-user', ['--link-checkout-speedup']);
  const anew = await engineOn('engine-anew', trees.anew);
  const contenders: Contender[] = [
    await byHand('archive', trees.archive, 'archive', []),
    {
      ...linked,
      async again() {
        // What the option is for: a checkout of the last commit whose files are the objects themselves.
        await run('rm', ['-rf', trees.linked]);
        await run('ostree', ['checkout', `--repo=${join(dir, 'bare-user-repo')}`, '-U', '-H', 'a', trees.linked]);
      },
    },
    await engineOn('engine', trees.engine),
    {
      ...anew,
      async again() {
        await run('cp', ['-a', trees.anew, `${trees.anew}-copy`]);
        await run('rm', ['-rf', trees.anew]);
        await run('mv', [`${trees.anew}-copy`, trees.anew]);
      },
    },
  ];
  await mkdir(join(dir, 'a'), { recursive: true });
  // What was written just now is read again by anybody who goes by times.
  await sleep(2500);
  for (const { commit } of contenders) await commit();
  const times = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const { name, tree, commit, again } of contenders) {
      await again?.();
      fill(tree, changedIn(round), round);
      // What was written to the folders just now is nobody's work.
      await run('sync', []);
      times.get(name)?.push(await seconds(commit));
    }
  }
  const median = (name: string): number =>
    (times.get(name) ?? []).toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
  const labels: Readonly<Record<string, string>> = {
    archive: 'ostree commit into an archive repository',
    'bare-user': 'ostree commit into bare-user, --link-checkout-speedup',
    engine: 'nightly build of the folder (inputs and compose)',
    'engine-anew': 'the same of a folder that was made again',
  };
  for (const { name } of contenders) {
    const all = (times.get(name) ?? []).map((one) => one.toFixed(2)).join(', ');
    const times1 = (median('archive') / median(name)).toFixed(1);
    console.log(`${labels[name]}: ${median(name).toFixed(2)} s (${all}), ${times1} times as fast as the first`);
  }
} finally {
  await run('rm', ['-rf', dir]);
}
