/**
 * Measures a warm second night's compose with five updated packages against its peer: the same tools run by hand one
 * after the other from scratch – dnf install into an empty root, dracut in it, ostree commit into an archive repo – on
 * the same packages, in the same run. Prints each run and the ratio of the medians.
 *
 *   npm run bench [-- LAB_FOLDER [RUNS]]
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { updateLab } from '../../src/lab/build.ts';
import { run } from '../../src/tools/exec.ts';
import { readTreefile } from '../../src/treefile/read.ts';
import { type BenchLab, withBenchLab } from '../support/bench.ts';
import { median, total } from '../support/statistics.ts';

const UPDATED = ['curl', 'hostname', 'iputils-ping', 'sudo', 'tree'];

interface Phase {
  readonly name: string;
  readonly tool: string;
  readonly seconds: number;
}

await withBenchLab([], async (bench) => {
  const { lab, runs, task } = bench;
  await night(bench);
  const [byHand, warm, own]: [number[], number[], number[]] = [[], [], []];
  for (let index = 0; index < runs; index += 1) {
    const phases = await composeByHand(bench);
    byHand.push(total(phases));
    print(`by hand ${index + 1}`, phases);
    await updateLab({ dir: lab.dir, packages: UPDATED }, task);
    const { seconds, phases: ours } = await night(bench);
    warm.push(seconds);
    own.push(seconds - total(ours.filter(({ tool }) => tool !== 'self')));
    print(`warm night ${index + 1}`, ours);
  }
  console.log(`by hand     ${median(byHand).toFixed(1)} s (median)`);
  console.log(
    `warm night  ${median(warm).toFixed(1)} s (median), of it outside the tools it runs ${median(own).toFixed(2)} s`,
  );
  console.log(`ratio       ${(median(warm) / median(byHand)).toFixed(2)} (target: under 0.5)`);
});

async function night({ cli }: BenchLab): Promise<{ readonly seconds: number; readonly phases: readonly Phase[] }> {
  const { build } = JSON.parse(await cli('nightly', '--json'));
  const meta = JSON.parse(await cli('show', build, '--json'));
  const { seconds } = meta['atomic-nightly.steps'].find(({ step }: { step: string }) => step === 'compose');
  return { seconds, phases: meta['atomic-nightly.compose'].phases };
}

async function composeByHand({ lab, dir }: BenchLab): Promise<readonly Phase[]> {
  const treefilePath = lab.treefile;
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
