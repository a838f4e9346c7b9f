/**
 * Measures the memory that a publish takes: an archive repository of N objects (a million by default) whose commits,
 * dirtrees and dirmetas are real and whose content objects are empty files, published as a whole, and an increment of
 * 1,500 changed files on top of it; each planned only, and with everything, to a folder. Prints the peak resident size of
 * the process that does so, and its CPU time.
 *
 *   npm run bench:memory [-- OBJECTS]
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inParallel } from '../../src/base/parallel.ts';
import { encodeVariant, swap64, type VariantValue } from '../../src/ostree/gvariant.ts';
import { type ObjectType, objectPath } from '../../src/ostree/objects.ts';
import { run } from '../../src/programs/exec.ts';

const FILES_A_FOLDER = 250;
const CHANGED = 1500;

const objects = Number(process.argv[2] ?? 1_000_000);
const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-bench-'));
try {
  const repo = join(dir, 'repo');
  for (let byte = 0; byte < 256; byte += 1) {
    await mkdir(join(repo, 'objects', byte.toString(16).padStart(2, '0')), { recursive: true });
  }
  console.log(`making ${objects} objects`);
  const first = await commit(repo, objects, 0);
  const second = await commit(repo, objects, CHANGED, first);
  const plan = new URL('../support/plan-once.ts', import.meta.url).pathname;
  for (const [name, args] of [
    ['the whole, planned', [repo, first]],
    ['the whole, published to a folder', [repo, first, '', join(dir, 'far')]],
    ['an increment, planned', [repo, second, first]],
    ['an increment, published to that folder', [repo, second, first, join(dir, 'far')]],
  ] as const) {
    const { stdout } = await run(process.execPath, ['--import', 'tsx', plan, ...args]);
    const { files, cpuSeconds, peakMb } = JSON.parse(stdout);
    console.log(
      `${name}: ${files} files, ${cpuSeconds.toFixed(1)} s of CPU time, peak ${peakMb.toFixed(0)} MB resident (target: under 300)`,
    );
  }
} finally {
  await rm(dir, { recursive: true, force: true });
}

/** Writes the objects of a tree with that many files, of which the first `changed` differ from the tree without changes. */
async function commit(repo: string, count: number, changed: number, parent?: string): Promise<string> {
  const meta = await metadata('dirmeta', encodeVariant('(uuua(ayay))', [0, 0, 0, []]));
  const folders: VariantValue[] = [];
  for (let start = 0; start < count; start += FILES_A_FOLDER) {
    const names = Array.from(
      { length: Math.min(FILES_A_FOLDER, count - start) },
      (_, n) => `f${String(n).padStart(4, '0')}`,
    );
    const files = names.map(
      (name, n) => [name, content(start + n < changed ? `changed ${start + n}` : `${start + n}`)] as const,
    );
    if (changed === 0 || start < changed) {
      await inParallel(files, { atATime: 32 }, async ([, checksum]) => {
        await writeFile(join(repo, objectPath(checksum.toString('hex'), 'filez')), '');
      });
    }
    const tree = await metadata(
      'dirtree',
      encodeVariant('(a(say)a(sayay))', [files.map(([name, sum]) => [name, sum]), []]),
    );
    folders.push([
      `d${String(start / FILES_A_FOLDER).padStart(6, '0')}`,
      Buffer.from(tree, 'hex'),
      Buffer.from(meta, 'hex'),
    ]);
  }
  const root = await metadata('dirtree', encodeVariant('(a(say)a(sayay))', [[], folders]));
  const time = swap64(BigInt(1_767_225_600 + changed));
  const parentBytes = Buffer.from(parent ?? '', 'hex');
  const values = [[], parentBytes, [], 'a benchmark', '', time, Buffer.from(root, 'hex'), Buffer.from(meta, 'hex')];
  return metadata('commit', encodeVariant('(a{sv}aya(say)sstayay)', values));

  async function metadata(type: ObjectType, bytes: Uint8Array): Promise<string> {
    const checksum = createHash('sha256').update(bytes).digest('hex');
    await writeFile(join(repo, objectPath(checksum, type)), bytes);
    return checksum;
  }
}

function content(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
