/**
 * Measures a warm second night's compose with five updated packages against its peer: the same tools run by hand one
 * after the other from scratch – dnf install into an empty root, dracut in it, ostree commit into an archive repo – on
 * the same packages, in the same run; a second night that also brings a package with names the tree did not have; and
 * dracut with and without the watching by which is known when its image can be used again. Prints each run and the ratios.
 *
 *   npm run bench [-- LAB_FOLDER [RUNS]]
 */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { updateLab } from '../../src/lab/build-lab.ts';
import { run } from '../../src/programs/exec.ts';
import { readTreefile } from '../../src/treefile/read.ts';
import { type BenchLab, withBenchLab } from '../support/bench.ts';
import { buildMiniRpm } from '../support/mini-rpm.ts';
import { median, total } from '../support/statistics.ts';
import { timeDracut } from './dracut.ts';

const UPDATED = ['curl', 'hostname', 'iputils-ping', 'sudo', 'tree'];

interface Phase {
  readonly name: string;
  readonly tool: string;
  readonly seconds: number;
}

await withBenchLab([], async (bench) => {
  const { lab, runs, task } = bench;
  const leaves = await leafRepository(lab.dir, runs);
  await night(bench);
  const [byHand, warm, own, more]: [number[], number[], number[], number[]] = [[], [], [], []];
  const watching: { seconds: number; cpu: number }[] = [];
  for (let index = 0; index < runs; index += 1) {
    const phases = await composeByHand(bench, async (root, kver, args) => {
      const ratio = await timeDracut(root, kver, args, index % 2 === 1);
      watching.push(ratio);
      console.log(`dracut, watched to not watched ${index + 1}: ${percent(ratio)}`);
    });
    byHand.push(total(phases));
    print(`by hand ${index + 1}`, phases);
    await updateLab({ dir: lab.dir, packages: UPDATED }, task);
    const { seconds, phases: ours } = await night(bench);
    warm.push(seconds);
    own.push(seconds - total(ours.filter(({ tool }) => tool !== 'self')));
    print(`warm night ${index + 1}`, ours);
    await updateLab({ dir: lab.dir, packages: UPDATED }, task);
    await leaves.add(index);
    const added = await night(bench);
    more.push(added.seconds);
    print(`warm night with a package more ${index + 1}`, added.phases);
  }
  console.log(`by hand     ${median(byHand).toFixed(1)} s (median)`);
  console.log(
    `warm night  ${median(warm).toFixed(1)} s (median), of it outside the tools it runs ${median(own).toFixed(2)} s`,
  );
  console.log(`ratio       ${(median(warm) / median(byHand)).toFixed(2)} (target: under 0.5)`);
  console.log(`one added   ${median(more).toFixed(1)} s (median)`);
  const pairs = more.map((seconds, index) => seconds / (warm[index] ?? 0));
  console.log(`ratio       ${median(pairs).toFixed(2)} of only upgrades, pair by pair (target: at most 1.3)`);
  const knowing = { seconds: median(watching.map((one) => one.seconds)), cpu: median(watching.map((one) => one.cpu)) };
  console.log(`watching    ${percent(knowing)} of dracut alone, pair by pair (target: at most 1.15)`);
});

function percent({ seconds, cpu }: { readonly seconds: number; readonly cpu: number }): string {
  return `${seconds.toFixed(2)} times the time, ${cpu.toFixed(2)} times the processor time`;
}

/** A repository of packages that bring a program and data of new names, one for each run; the tree has none of them yet. */
async function leafRepository(labDir: string, count: number): Promise<{ add(index: number): Promise<void> }> {
  const dir = join(labDir, 'bench-leaves');
  const treefile = join(labDir, 'lab-atomic-host.yaml');
  await mkdir(dir, { recursive: true });
  const names = Array.from({ length: count }, (_, index) => `bench-leaf-${index + 1}`);
  for (const name of names) {
    const files = [
      { path: `/usr/bin/${name}`, text: '#!/bin/sh\n', mode: '0755' },
      { path: `/usr/share/${name}/data`, text: 'data\n' },
    ];
    await copyFile(await buildMiniRpm({ name, version: '1', release: '1', files }), join(dir, `${name}.rpm`));
  }
  await run('createrepo_c', ['--quiet', dir]);
  await writeFile(join(labDir, 'bench.repo'), `[bench]\nname=bench\nbaseurl=file://${dir}\ngpgcheck=0\n`);
  const text = (await readFile(treefile, 'utf8'))
    .replace(/^ {2}- bench.*\n/gm, '')
    .replace('repos:\n', () => 'repos:\n  - bench\n');
  await writeFile(treefile, text);
  return {
    async add(index) {
      const own = names.slice(0, index + 1).map((name) => `  - ${name}\n`);
      await writeFile(
        treefile,
        text.replace('packages:\n', () => `packages:\n${own.join('')}`),
      );
    },
  };
}

async function night({ cli }: BenchLab): Promise<{ readonly seconds: number; readonly phases: readonly Phase[] }> {
  const { build } = JSON.parse(await cli('nightly', '--json'));
  const meta = JSON.parse(await cli('show', build, '--json'));
  const { seconds } = meta['atomic-nightly.steps'].find(({ step }: { step: string }) => step === 'compose');
  return { seconds, phases: meta['atomic-nightly.compose'].phases };
}

async function composeByHand(
  { lab, dir }: BenchLab,
  after: (root: string, kver: string, args: readonly string[]) => Promise<void>,
): Promise<readonly Phase[]> {
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
  await rename(join(root, 'etc'), join(root, 'usr/etc'));
  await mkdir(join(root, 'etc'));
  await after(root, kver, treefile.values['initramfs-args'] ?? []);
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
