import { appendFile, lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Changes the content of one file of a build root the way a real update would, without changing what it does: the
 * largest program or library gets bytes after its end (the loader never looks there), a shell script or, failing
 * that, the licence text gets a line.
 * @returns the changed path, or undefined when the package has no file that can be changed.
 */
export async function touchContent(root: string, label: string): Promise<string | undefined> {
  const entries = await readdir(root, { withFileTypes: true, recursive: true });
  const files = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        return { path, size: (await lstat(path)).size, head: await headOf(path) };
      }),
  );
  files.sort((a, b) => b.size - a.size || (a.path < b.path ? -1 : 1));
  const kernelParts = /\/usr\/lib\/modules\//;
  const chosen =
    files.find(({ path, head }) => head.startsWith('\x7fELF') && !kernelParts.test(path)) ??
    files.find(({ head }) => /^#!\s*\/(usr\/)?bin\/(ba|da)?sh\b/.test(head)) ??
    files.find(({ path }) => path.endsWith('/copyright')) ??
    files.find(({ path, head }) => /^\s*#/.test(head) && path.endsWith('.conf'));
  if (!chosen) return undefined;
  await appendFile(chosen.path, chosen.head.startsWith('\x7fELF') ? `\0${label}\n` : `# ${label}\n`);
  return chosen.path.slice(root.length);
}

async function headOf(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}
