/**
 * Measures making all images of one commit side by side against two peers, in one run:
 * - the floors: the tools that must run for it in any case, called alone one after the other (pull-local and deploy
 *   once; mke2fs -d, qemu-img, tar, gzip once a disk image; mksquashfs and xorriso for the ISO);
 * - libguestfs, the usual way to make a disk without mounting it: the GenericCloud disk's partitions and file systems by
 *   guestfish, the same sysroot put on them, and the same compression. It leaves out the boot loader. Needs "apt-get
 *   install guestfs-tools linux-image-cloud-amd64" (its appliance boots a kernel of the host); not measured otherwise.
 * Prints each time and the ratios.
 *
 *   npm run bench:images [-- LAB_FOLDER [RUNS]]
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { probeKvm } from '../../src/boot/kvm.ts';
import { run } from '../../src/programs/exec.ts';
import { type BenchLab, withBenchLab } from '../support/bench.ts';
import { median, total } from '../support/statistics.ts';

const TYPES = ['generic-cloud', 'vagrant-libvirt', 'vagrant-virtualbox', 'iso'];

/** The partitions of the GenericCloud disk (BIOS boot, EFI, /boot, root) and the files of a sysroot, in guestfish's words. */
const GUESTFISH = `sparse guest.raw 10G
run
part-init /dev/sda gpt
part-add /dev/sda p 2048 4095
part-add /dev/sda p 4096 208895
part-add /dev/sda p 208896 2306047
part-add /dev/sda p 2306048 -2048
mkfs vfat /dev/sda2
mkfs ext4 /dev/sda3
mkfs ext4 /dev/sda4
mount /dev/sda4 /
mkdir /boot
mount /dev/sda3 /boot
tar-in sysroot.tar / xattrs:true
tar-in boot.tar /boot xattrs:true
umount-all
`;

interface Timed {
  readonly name: string;
  readonly seconds: number;
}

const ratio = (ours: readonly number[], theirs: readonly number[]) => (median(ours) / median(theirs)).toFixed(2);

const shown = (parts: readonly Timed[]) => parts.map(({ name, seconds }) => `${name} ${seconds.toFixed(1)}`).join(', ');

await withBenchLab(TYPES, async (bench) => {
  const { dir, runs, cli } = bench;
  const build = JSON.parse(await cli('nightly', '--json')).build;
  const { 'ostree-commit': commit, images } = JSON.parse(await cli('show', build, '--json'));
  const ours: number[] = [];
  const floors: number[] = [];
  const guest: number[] = [];
  const compression: number[] = [];
  for (let index = 0; index < runs; index += 1) {
    const folder = join(dir, 'work/builds', build, 'x86_64');
    for (const { path } of Object.values<{ path: string }>(images)) await rm(join(folder, path), { force: true });
    await cli('images', build);
    ours.push(await imagesWall(join(folder, 'journal.ndjson')));
    const parts = await floorTimes(bench, commit);
    floors.push(total(parts));
    console.log(
      `run ${index + 1}: ours ${ours.at(-1)?.toFixed(1)} s, floors ${total(parts).toFixed(1)} s: ${shown(parts)}`,
    );
    const theirs = await withLibguestfs(bench);
    const deployed = total(parts.filter(({ name }) => name === 'pull-local' || name === 'deploy'));
    if (theirs === undefined) continue;
    guest.push(deployed + theirs.disk + theirs.compression);
    compression.push(theirs.compression);
  }
  console.log(`all ${TYPES.length} images   ${median(ours).toFixed(1)} s (median)`);
  console.log(`floors          ${median(floors).toFixed(1)} s, ratio ${ratio(ours, floors)} (target: under 1.15)`);
  if (guest.length === 0) return console.log('guestfish is not installed: not compared with libguestfs');
  const [theirs, same] = [median(guest), median(compression)];
  const cloud = await cloudAlone(bench, build);
  console.log(
    `libguestfs      ${theirs.toFixed(1)} s for the GenericCloud image alone, ours ${cloud.toFixed(1)} s: ${(theirs / cloud).toFixed(1)} times faster (target: 4)`,
  );
  // The same program with the same options compresses both.
  console.log(
    `  but for compressing (${same.toFixed(1)} s)   ${(theirs - same).toFixed(1)} s, ours ${(cloud - same).toFixed(1)} s: ${((theirs - same) / (cloud - same)).toFixed(1)} times faster`,
  );
});

/** Seconds from the start of the first image step of the last attempt to the end of the last one. */
async function imagesWall(journal: string): Promise<number> {
  const entries: { event: string; step?: string; at: string }[] = (await readFile(journal, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const lastEnd = entries.slice(0, -1).findLastIndex(({ event }) => event === 'end');
  const steps = entries.slice(lastEnd + 1).filter(({ step }) => step?.startsWith('image-'));
  const times = steps.map(({ at }) => Date.parse(at));
  return (Math.max(...times) - Math.min(...times)) / 1000;
}

/** Makes the GenericCloud image alone, with all it needs. */
async function cloudAlone({ dir, cli }: BenchLab, build: string): Promise<number> {
  const folder = join(dir, 'work/builds', build, 'x86_64');
  const { images } = JSON.parse(await cli('show', build, '--json'));
  await rm(join(folder, images['generic-cloud'].path));
  await cli('images', build);
  return imagesWall(join(folder, 'journal.ndjson'));
}

/** The tools alone, on the same commit, with the same options. Leaves the sysroot and the raw disk for `withLibguestfs`. */
async function floorTimes({ dir }: BenchLab, commit: string): Promise<Timed[]> {
  const work = join(dir, 'floors');
  await rm(work, { recursive: true, force: true });
  await mkdir(work);
  const parts: Timed[] = [];
  const sh = async (name: string, script: string): Promise<void> => {
    const begun = performance.now();
    await run('sh', ['-ec', script], { cwd: work, env: { OSTREE_SYSROOT_DEBUG: 'mutable-deployments' } });
    parts.push({ name, seconds: (performance.now() - begun) / 1000 });
  };
  const repo = join(dir, 'work/repo');
  await run(
    'sh',
    ['-ec', 'mkdir boot sysroot; ostree admin init-fs --modern sysroot; ostree admin os-init --sysroot=sysroot os'],
    { cwd: work },
  );
  await sh('pull-local', `ostree pull-local --disable-fsync --repo=sysroot/ostree/repo ${repo} ${commit}`);
  await sh('deploy', `ostree admin deploy --sysroot=sysroot --os=os --no-merge ${commit}`);
  for (const [name, gib] of [
    ['cloud', 10],
    ['libvirt', 11],
    ['virtualbox', 11],
  ] as const) {
    await sh(
      `mke2fs -d ${name}`,
      `truncate -s ${gib}G ${name}.raw; mke2fs -q -F -t ext4 -d sysroot ${name}.raw ${gib * 1024 - 1200}M`,
    );
  }
  await sh('qemu-img -c', 'qemu-img convert -c -m 4 -f raw -O qcow2 cloud.raw cloud.qcow2');
  await sh('qemu-img qcow2', 'qemu-img convert -m 4 -f raw -O qcow2 libvirt.raw box.img');
  await sh('tar|gzip', 'tar -cf - box.img | gzip > libvirt.box');
  await sh(
    'qemu-img vmdk',
    'qemu-img convert -m 4 -f raw -O vmdk -o subformat=streamOptimized virtualbox.raw disk.vmdk',
  );
  await sh('tar', 'tar -cf virtualbox.box disk.vmdk');
  await sh(
    'ISO repo',
    `mkdir iso; ostree init --repo=iso/repo --mode=archive; ostree pull-local --disable-fsync --repo=iso/repo ${repo} ${commit}`,
  );
  await sh(
    'mksquashfs',
    `mksquashfs sysroot/ostree/deploy/os/deploy/${commit}.0 iso/live.squashfs -quiet -no-progress -comp zstd`,
  );
  await sh('xorriso', 'xorriso -as mkisofs -quiet -R -o out.iso iso');
  return parts;
}

/** Seconds of guestfish with the sysroot of the floors, and of compressing its disk; undefined when it is not installed. */
async function withLibguestfs({ dir }: BenchLab): Promise<{ disk: number; compression: number } | undefined> {
  if (!existsSync('/usr/bin/guestfish')) return undefined;
  // Where KVM is of no use to it, libguestfs must be told.
  const kvm = await probeKvm();
  const env = { LIBGUESTFS_BACKEND: 'direct', ...(kvm.usable ? {} : { LIBGUESTFS_BACKEND_SETTINGS: 'force_tcg' }) };
  const cwd = join(dir, 'floors');
  const begun = performance.now();
  await run('tar', ['--xattrs', '-C', 'sysroot/boot', '-cf', 'boot.tar', '.'], { cwd });
  await run('tar', ['--xattrs', '-C', 'sysroot', '--exclude=./boot/*', '-cf', 'sysroot.tar', '.'], { cwd });
  await run('guestfish', [], { cwd, env, input: GUESTFISH });
  const made = performance.now();
  await run('qemu-img', ['convert', '-c', '-m', '4', '-f', 'raw', '-O', 'qcow2', 'guest.raw', 'guest.qcow2'], { cwd });
  return { disk: (made - begun) / 1000, compression: (performance.now() - made) / 1000 };
}
