import { randomFillSync } from 'node:crypto';
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { appendToLog } from '../../src/publish/log/append.ts';
import { formatEntry } from '../../src/published/log-entry.ts';
import { BENCH_TASK, type LogBench, printBar, timed } from '../support/log-bench.ts';
import { median } from '../support/statistics.ts';

const BUILDS = 8;
/** Records and signatures of a build. */
const SMALL_FILES = 24;
const SMALL_BYTES = 20_000;

/** Audits a target of some builds with an image each. */
export async function benchAudit(
  bench: LogBench,
  { bytes, runs }: { readonly bytes: number; readonly runs: number },
): Promise<void> {
  const paths = await publishBuilds(bench, Math.round(bytes / BUILDS));
  const list = paths.map((path) => `${bench.url}/${path}\n`).join('');
  const sums = async (together: number): Promise<number> => {
    const script = `xargs -P${together} -I{} sh -c 'curl -fsS "$1" | sha256sum' sh {}`;
    return timed(() => run('sh', ['-c', script], { input: list }));
  };
  const state = join(bench.dir, 'audit.json');
  const audit = ['audit', bench.url, '--log-key', bench.vkey, '--state', state];
  const [ours, theirs, together]: [number[], number[], number[]] = [[], [], []];
  for (let turn = 0; turn < runs; turn += 1) {
    await rm(state, { force: true });
    ours.push(await timed(() => bench.cli(audit)));
    theirs.push(await sums(1));
    together.push(await sums(2));
  }
  const s = (all: readonly number[]): string => `${median(all).toFixed(2)} s`;
  console.log(
    `${paths.length} files, ${bytes / 1024 ** 2} MiB: audit ${s(ours)}, curl | sha256sum ${s(theirs)}, two side by side ${s(together)}`,
  );
  printBar(
    'a full audit to curl | sha256sum',
    median(ours.map((one, turn) => one / (theirs[turn] ?? 0))),
    1.1,
    ' times',
  );
  await bench.server.requests();
  await bench.cli(audit);
  printBar('requests of an audit with nothing new', (await bench.server.requests()).length, 4);
}

/** Publishes and logs builds; returns the paths of their files. */
async function publishBuilds({ published, places }: LogBench, imageBytes: number): Promise<string[]> {
  const image = randomFillSync(Buffer.alloc(imageBytes));
  const digest = { sha256: sha256(image), size: image.length };
  const [paths, entries, builds]: [string[], Buffer[][], object[]] = [[], [], []];
  let first: string | undefined;
  for (let number = 1; number <= BUILDS; number += 1) {
    const id = `2026010${number}_01`;
    const folder = join(published, 'builds', id, 'x86_64');
    await mkdir(join(folder, 'images'), { recursive: true });
    const disk = join(folder, 'images/disk.qcow2');
    // One image on the disk is enough to be read as many.
    if (first === undefined) await writeFile(disk, image);
    else await link(first, disk);
    first ??= disk;
    const small = (name: string) => {
      const content = Buffer.from(`${id} ${name} `.repeat(SMALL_BYTES).slice(0, SMALL_BYTES));
      return { path: name, content, sha256: sha256(content), size: content.length };
    };
    const records = Array.from({ length: SMALL_FILES - 2 }, (_, at) =>
      small(`record-${String(at).padStart(2, '0')}.json`),
    );
    const [sums, record] = [small('SHA256SUMS'), small('meta.json')];
    for (const { path, content } of [...records, sums, record]) await writeFile(join(folder, path), content);
    const files = [{ path: 'images/disk.qcow2', ...digest }, ...records.map(({ content: _, ...one }) => one)];
    const about = { stream: 'nightly', id, arch: 'x86_64', commit: String(number).padStart(64, '0') };
    const brief = ({ sha256: sum, size }: typeof digest) => ({ sha256: sum, size });
    entries.push(formatEntry({ kind: 'build', ...about, files, sums: brief(sums), record: brief(record) }));
    paths.push(...[...files, sums, record].map(({ path }) => `builds/${id}/x86_64/${path}`));
    builds.unshift({ id, arches: ['x86_64'] });
  }
  const index = { 'schema-version': '1.0.0', builds, timestamp: new Date().toISOString() };
  await writeFile(join(published, 'builds/builds.json'), JSON.stringify(index));
  await appendToLog(entries, places, BENCH_TASK);
  return paths;
}
