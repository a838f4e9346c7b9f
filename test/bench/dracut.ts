import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readReport, watched } from '../../src/engines/dnf/asked.ts';
import { inTree } from '../../src/engines/dnf/namespace.ts';
import { run } from '../../src/tools/exec.ts';

/**
 * Runs dracut in a tree as a compose does, once watched and once not.
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
      const argv = ['/usr/bin/dracut', '--force', ...args, '--kver', kver, `/usr/lib/modules/${kver}/initramfs.img`];
      const inside = inTree(root, argv, { timestamp: 1, traceReads: true, binds: [[tmp, 'tmp']] });
      const all = watch ? watched(inside, { program: '/usr/bin/dracut', report }) : inside;
      const begun = performance.now();
      const { stdout } = await run('sh', ['-ec', '"$@" >&2; times', 'sh', ...all]);
      const seconds = (performance.now() - begun) / 1000;
      if (watch && 'unknown' in (await readReport(report))) throw new Error(JSON.stringify(await readReport(report)));
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
