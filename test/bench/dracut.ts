import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readReport, watched } from '../../src/engines/dnf/asked.ts';
import { run } from '../../src/programs/exec.ts';

/**
 * Runs dracut in a tree, once watched and once not. Not in bubblewrap, which does not wait for what runs in it and so hides
 * how much processor time that took.
 * @param watchedFirst which of the two has the colder caches
 * @returns watched to not watched: time, and processor time of all processes
 */
export async function timeDracut(
  root: string,
  kver: string,
  args: readonly string[],
  watchedFirst: boolean,
): Promise<{ readonly seconds: number; readonly cpu: number }> {
  await run('ldconfig', ['-r', root]);
  const work = await mkdtemp(join(tmpdir(), 'atomic-nightly-bench-dracut-'));
  try {
    const took = async (watch: boolean) => {
      const tmp = join(work, 'tmp');
      await rm(tmp, { recursive: true, force: true });
      await mkdir(tmp);
      const report = join(work, 'report.json');
      const dracut = ['/usr/bin/dracut', '--force', ...args, '--kver', kver, `/usr/lib/modules/${kver}/initramfs.img`];
      const mounts = [
        'mount --bind "$0" "$0"; mount -o remount,bind,strictatime "$0"; mount --bind "$0/usr/etc" "$0/etc"',
        'mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; mount --bind "$1" "$0/tmp"; shift',
      ].join('; ');
      const inside = [
        ...['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--net'],
        ...['sh', '-ec', `${mounts}; exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin HOME=/root "$@"`, root, tmp],
        ...dracut,
      ];
      const all = watch ? watched(inside, { program: '/usr/bin/dracut', report }) : inside;
      const begun = performance.now();
      const { stdout } = await run('sh', ['-ec', '"$@" >&2; times', 'sh', ...all]);
      const seconds = (performance.now() - begun) / 1000;
      const found = watch ? await readReport(report) : undefined;
      if (found && 'unknown' in found) throw new Error(found.unknown);
      return { seconds, cpu: childrenOf(stdout) };
    };
    const first = await took(watchedFirst);
    const second = await took(!watchedFirst);
    const [yes, no] = watchedFirst ? [first, second] : [second, first];
    return { seconds: yes.seconds / no.seconds, cpu: yes.cpu / no.cpu };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
/** User and system time of a shell's children in seconds: the second line of what `times` prints. */
function childrenOf(times: string): number {
  const line = times.trimEnd().split('\n').at(-1) ?? '';
  const parts = [...line.matchAll(/(\d+)m([\d.]+)s/g)];
  if (parts.length !== 2) throw new Error(`times printed ${times}`);
  return parts.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
}
