/**
 * Measures a warm second night's compose with five updated packages against its peer: the same tools run by hand one
 * after the other from scratch – dnf install into an empty root, dracut in it, ostree commit into an archive repo – on
 * the same packages, in the same run. Prints each run and the ratio of the medians.
 *
 *   npm run bench [-- LAB_FOLDER [RUNS]]
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { buildLab, updateLab } from '../../src/lab/build.ts';
import { serveFolder } from '../../src/lab/webserver.ts';
import { run } from '../../src/tools/exec.ts';
import type { Task } from '../../src/tools/task.ts';
import { readTreefile } from '../../src/treefile/read.ts';
import { median, total } from '../support/statistics.ts';
import { runCli } from '../support/world.ts';

const UPDATED = ['curl', 'hostname', 'iputils-ping', 'sudo', 'tree'];

interface Phase {
  readonly name: string;
  readonly tool: string;
  readonly seconds: number;
}

const [labFolder, runs = '3'] = process.argv.slice(2);
const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-bench-'));
const task: Task = {
  signal: new AbortController().signal,
  logFile: join(dir, 'bench.log'),
  say: (line) => console.log(`  ${line}`),
  progress: () => undefined,
};
try {
  await bench(resolve(labFolder ?? join(dir, 'lab')), Number(runs));
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function bench(labDir: string, count: number): Promise<void> {
  const published = join(dir, 'published');
  await mkdir(published);
  const server = await serveFolder({ root: published });
  try {
    const lab = await buildLab({ dir: labDir, publicUrl: server.url }, task);
    await writeFile(join(dir, 'atomic-nightly.yaml'), config(lab.treefile, published, server.url));
    console.log(`${lab.packageCount} RPMs, ${count} runs of each`);
    await night();
    const [byHand, warm, own]: [number[], number[], number[]] = [[], [], []];
    for (let index = 0; index < count; index += 1) {
      const phases = await composeByHand(lab.treefile);
      byHand.push(total(phases));
      print(`by hand ${index + 1}`, phases);
      await updateLab({ dir: labDir, packages: UPDATED }, task);
      const { seconds, phases: ours } = await night();
      warm.push(seconds);
      own.push(seconds - total(ours.filter(({ tool }) => tool !== 'self')));
      print(`warm night ${index + 1}`, ours);
    }
    console.log(`by hand     ${median(byHand).toFixed(1)} s (median)`);
    console.log(
      `warm night  ${median(warm).toFixed(1)} s (median), of it outside the tools it runs ${median(own).toFixed(2)} s`,
    );
    console.log(`ratio       ${(median(warm) / median(byHand)).toFixed(2)} (target: under 0.5)`);
  } finally {
    await server.stop();
  }
}

/** Runs a night; gives the seconds of its whole compose step, and of its phases. */
async function night(): Promise<{ readonly seconds: number; readonly phases: readonly Phase[] }> {
  const result = await runCli(dir, ['nightly', '--json']);
  if (result.code !== 0) throw new Error(`the night ended with exit code ${result.code}\n${result.stderr}`);
  const { build } = JSON.parse(result.stdout);
  const meta = JSON.parse((await runCli(dir, ['show', build, '--json'])).stdout);
  const { seconds } = meta['atomic-nightly.steps'].find(({ step }: { step: string }) => step === 'compose');
  return { seconds, phases: meta['atomic-nightly.compose'].phases };
}

async function composeByHand(treefilePath: string): Promise<readonly Phase[]> {
  const treefile = await readTreefile(treefilePath, { basearch: 'x86_64' });
  const work = await mkdtemp(join(dir, 'by-hand-'));
  const root = join(work, 'root');
  const conf = join(work, 'dnf.conf');
  await mkdir(root);
  await writeFile(
    conf,
    `[main]\nreposdir=${dirname(treefilePath)}\ncachedir=${work}/cache\ntsflags=nodocs\ngpgcheck=0\n`,
  );
  const dnf = ['-c', conf, '--noplugins', '--nogpgcheck', '--releasever=12', `--installroot=${root}`, '-y', 'install'];
  const phases = [await timed('dnf install', 'dnf', () => run('dnf', [...dnf, ...(treefile.values.packages ?? [])]))];
  const [kver = ''] = await readdir(join(root, 'usr/lib/modules'));
  const inRoot = `mount -t proc proc ${root}/proc && mount --rbind /dev ${root}/dev && depmod -b ${root} ${kver} && chroot ${root} dracut ${(treefile.values['initramfs-args'] ?? []).join(' ')} --kver ${kver} /usr/lib/modules/${kver}/initramfs.img`;
  phases.push(
    await timed('dracut', 'dracut', () => run('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', inRoot])),
  );
  await run('ostree', ['init', `--repo=${work}/repo`, '--mode=archive']);
  phases.push(
    await timed('ostree commit', 'ostree', () =>
      run('ostree', ['commit', `--repo=${work}/repo`, '--branch=x', `--tree=dir=${root}`]),
    ),
  );
  await rm(work, { recursive: true, force: true });
  return phases;
}

async function timed(name: string, tool: string, work: () => Promise<unknown>): Promise<Phase> {
  const begun = performance.now();
  await work();
  return { name, tool, seconds: (performance.now() - begun) / 1000 };
}

function print(title: string, phases: readonly Phase[]): void {
  const parts = phases.map(({ name, tool, seconds }) => `${name} (${tool}) ${seconds.toFixed(2)}`);
  console.log(`${title}: ${total(phases).toFixed(1)} s: ${parts.join(', ')}`);
}

function config(treefile: string, published: string, url: string): string {
  return `name: bench
work: ./work
engine: dnf
targets:
  out: {type: directory, path: ${published}, url: '${url}'}
streams:
  nightly:
    treefile: ${treefile}
    ref: bench/x86_64/nightly
    seed: {allow-new: true}
    targets: [out]
`;
}
