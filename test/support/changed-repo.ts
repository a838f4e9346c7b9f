import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

/** Changes the text of a repository's primary metadata, with the right checksums: what a mirror in bad hands can do. */
export async function changePrimary(repoDir: string, change: (xml: string) => string): Promise<void> {
  const repodata = join(repoDir, 'repodata');
  const name = (await readdir(repodata)).find((one) => one.endsWith('primary.xml.gz'));
  if (name === undefined) throw new Error(`${repodata} has no primary.xml.gz`);
  const before = gunzipSync(await readFile(join(repodata, name))).toString();
  const after = change(before);
  if (after === before) throw new Error('nothing was changed');
  const packed = gzipSync(after);
  await writeFile(join(repodata, name), packed);
  const repomd = await readFile(join(repodata, 'repomd.xml'), 'utf8');
  const sum = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  const now = Math.floor(Date.now() / 1000);
  const changed = repomd.replace(/<data type="primary">[\s\S]*?<\/data>/, (block) =>
    block
      .replace(/<checksum type="\w+">\w+</, `<checksum type="sha256">${sum(packed)}<`)
      .replace(/<open-checksum type="\w+">\w+</, `<open-checksum type="sha256">${sum(after)}<`)
      .replace(/<size>\d+</, `<size>${packed.length}<`)
      .replace(/<open-size>\d+</, `<open-size>${Buffer.byteLength(after)}<`)
      .replace(/<timestamp>\d+</, `<timestamp>${now}<`),
  );
  await writeFile(join(repodata, 'repomd.xml'), changed);
}
