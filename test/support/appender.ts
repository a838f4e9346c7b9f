import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { TargetConfig } from '../../src/config/config.ts';
import { openCheckpoint, parseCheckpointText } from '../../src/log/checkpoint.ts';
import { censusOf } from '../../src/publish/log/check-log.ts';
import { openLog, readLogHead } from '../../src/publish/log/log-files.ts';
import { requireContinues } from '../../src/publish/log/same-log.ts';
import type { Target } from '../../src/targets/target.ts';
import { LOG } from './log-files.ts';
import { testTask } from './tmp.ts';

/** What append-once.ts is asked for. */
export interface AppenderRequest {
  readonly target: TargetConfig;
  readonly state: string;
  readonly entries: readonly string[];
  /** File that what is signed is noted in. */
  readonly signed: string;
  /** Dies before the Nth change of a file, start of a program, or piece sent. */
  readonly killBefore?: number;
}

const script = new URL('./append-once.ts', import.meta.url).pathname;
const loader = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href;

export const entriesOf = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `atomic-test/1\n${name} ${index}\n`);

/** Starts an appender with a work folder of its own, below `dir`. */
export function startAppender(
  {
    dir,
    target,
    machine = 'machine',
  }: { readonly dir: string; readonly target: TargetConfig; readonly machine?: string },
  entries: readonly string[],
  killBefore?: number,
): { readonly child: ChildProcess; readonly ended: Promise<{ readonly ok: boolean; readonly stderr: string }> } {
  const request: AppenderRequest = {
    target,
    state: join(dir, machine, 'state.json'),
    entries,
    signed: join(dir, 'signed'),
    ...(killBefore !== undefined && { killBefore }),
  };
  const child = spawn(process.execPath, ['--import', loader, script, JSON.stringify(request)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk);
  });
  const ended = new Promise<{ ok: boolean; stderr: string }>((settle) =>
    child.on('close', (code) => settle({ ok: code === 0, stderr })),
  );
  return { child, ended };
}

/** Asserts that no two trees of one size were signed, and that each is the beginning of the log; gives how many. */
export async function expectOneHistory(dir: string, target: Target): Promise<number> {
  const task = testTask(dir);
  const head = await readLogHead(target, { log: LOG }, task);
  const tree = await openLog(target, head, task);
  const texts = readFileSync(join(dir, 'signed'), 'utf8').trim().split('\n');
  const roots = new Map<number, string>();
  for (const text of texts.map((line) => Buffer.from(line, 'base64').toString())) {
    const { size, root } = parseCheckpointText(text, { file: 'signed' });
    expect([size, roots.get(size) ?? text]).toEqual([size, text]);
    roots.set(size, text);
    if (size <= tree.size) await requireContinues({ size, root }, tree, { target, seenAt: 'the test saw' });
  }
  return roots.size;
}

/** Asserts that a log is whole and has each of these entries once; gives its size. */
export async function expectWhole(dir: string, target: Target, entries: readonly string[]): Promise<number> {
  const task = testTask(dir);
  const head = await readLogHead(target, { log: LOG }, task);
  openCheckpoint(head.note ?? Buffer.alloc(0), { log: LOG }, { file: 'checkpoint' });
  const tree = await openLog(target, head, task);
  // Reads and hashes all of it; the tests' own entries are of no format of ours.
  const { kinds } = await censusOf(tree, task);
  expect(Object.values(kinds).reduce((sum, count) => sum + count, 0)).toBe(tree.size);
  const all: string[] = [];
  for (let bundle = 0; bundle * 256 < tree.size; bundle += 1) all.push(...(await tree.bundle(bundle)).map(String));
  expect(all.toSorted()).toEqual([...entries].sort());
  return tree.size;
}
