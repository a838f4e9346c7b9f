import { readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { templatePath } from '../template/render-template.ts';
import { type CpioEntry, cpioArchive } from './cpio.ts';
import { moduleEntries } from './kernel-modules.ts';
import type { LiveKernel } from './live-root.ts';

/** Where dracut looks for scripts of each stage (dracut.modules(7)), and ours for it. */
const HOOKS = [
  ['cmdline', '30-atomic-live.sh', 'cmdline.sh'],
  ['initqueue/finished', 'atomic-live.sh', 'finished.sh'],
  ['initqueue/timeout', '50-atomic-live.sh', 'timeout.sh'],
  ['mount', '10-atomic-live.sh', 'mount.sh'],
] as const;

/**
 * Writes a second initramfs, which the boot loader loads behind the commit's own: a dracut-made one is for hosts and
 * knows nothing of live media. It brings drivers and hooks that mount the live root from the medium.
 *
 * No folders but the kernel's are in it: the others are there already, some as links (/lib, and hooks in newer
 * dracut), and Linux would replace a link by a folder of that name.
 * @param timestamp seconds since the epoch.
 */
export async function writeLiveInitramfs(
  request: { readonly root: string; readonly kernel: LiveKernel; readonly timestamp: number },
  target: string,
): Promise<void> {
  const { root, kernel, timestamp } = request;
  const hooks = await Promise.all(
    HOOKS.map(async ([stage, name, source]): Promise<CpioEntry> => {
      const content = await readFile(templatePath(`iso/initramfs/${source}`));
      return { path: `usr/lib/dracut/hooks/${stage}/${name}`, mode: 0o755, content };
    }),
  );
  // Without this file dracut's queue, in which devices are waited for, is skipped.
  const queue = { path: 'usr/lib/dracut/need-initqueue', mode: 0o644, content: Buffer.alloc(0) };
  const modules = await moduleEntries(root, kernel.modulesDir, kernel.modulesDir);
  await writeFile(target, gzipSync(cpioArchive([...hooks, queue, ...modules], timestamp), { level: 9 }));
}
