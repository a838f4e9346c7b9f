import { chmod, copyFile, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { makeTar } from '../programs/tar.ts';
import type { CopiedFiles } from './copied-files.ts';

/**
 * Packs the files of a treefile so that anybody can compose from them: names sorted, owner 0, time 0, modes kept, for these go into
 * the tree. Equal files give equal bytes.
 * @param archive written whole or not at all
 * @returns why it is not made, as the end of a sentence that begins with "the treefile"; undefined when it is
 */
export async function packTreefile(
  { files, elsewhere }: CopiedFiles,
  archive: string,
  task: Task,
): Promise<string | undefined> {
  const refused = await whyNot(files, elsewhere);
  if (refused.length > 0) return refused.join('; it ');
  await makeFolder(dirname(archive));
  const folder = await mkdtemp(`${archive}-`);
  try {
    for (const { path, file } of files) {
      const copy = join(folder, 'treefile', path);
      await makeFolder(dirname(copy));
      await copyFile(file, copy);
      await chmod(copy, (await stat(file)).mode & 0o7777);
    }
    const part = join(folder, 'archive');
    const members = files.map(({ path }) => path);
    await makeTar(
      { archive: part, folder: join(folder, 'treefile'), members, timestamp: 0, gzip: true, keepModes: true },
      task,
    );
    await rename(part, archive);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return undefined;
}

/** Everything that keeps a treefile from being published, with file and line. */
async function whyNot(files: CopiedFiles['files'], elsewhere: readonly string[]): Promise<string[]> {
  const faults: string[] = [];
  const unseen = new Set(elsewhere);
  for (const { path, file } of files) {
    const lines = (await readFile(file)).toString('latin1').split('\n');
    for (const [at, line] of lines.entries()) {
      const place = `${path}:${at + 1}`;
      const secret = SECRETS.find(([shape]) => shape.test(line));
      if (secret !== undefined) faults.push(`has ${secret[1]} in ${place}`);
      for (const absolute of unseen) {
        if (!line.includes(Buffer.from(absolute).toString('latin1'))) continue;
        faults.push(`names ${absolute} by its absolute path in ${place}, and nobody else has that file`);
        unseen.delete(absolute);
      }
    }
  }
  const others = [...unseen].map((path) => `names ${path}, which lies outside its folder: nobody else has that file`);
  return [...faults, ...others];
}

/** What nobody publishes on purpose, by how a line of it looks. */
const SECRETS: readonly (readonly [shape: RegExp, what: string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY/, 'a private key'],
  [/^\s*(?:proxy_|export\s+)?(?:password|passwd|passphrase)\s*=\s*[^\s$]/i, 'a password'],
  [/[a-z]:\/\/[^\s/@:"']*:[^\s/@"'$]+@/i, 'a URL with a password'],
  // crypt(5), as in shadow, kickstart's rootpw and "usermod --password"; a comparison with "$1$" alone is none.
  [/\$(?:1|2[abxy]|5|6|7|y|gy|sha1|md5)\$[./0-9A-Za-z$=,]{12,}/, 'the hash of a password'],
  [/\bauthorization:\s*(?:basic|bearer|token)\s+[\w.~+/=-]{8,}/i, 'a login'],
  [/\b(?:gh[pousr]_\w{36}|github_pat_\w{22,}|glpat-[\w-]{20,}|xox[abpr]-[\w-]{10,}|AKIA[0-9A-Z]{16})\b/, 'a token'],
  [/\baws_secret_access_key\s*=\s*\S/i, 'a key of S3'],
];
