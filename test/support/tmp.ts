import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';
import type { Task } from '../../src/base/task.ts';

/** A fresh folder below the system's temporary folder, removed when the running test ends. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A fresh folder for all tests of a file, removed after the last; called beside them, never in a test or a hook, where vitest forgets it. */
export function sharedFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-'));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A task that logs into that folder and keeps what it was told. */
export function testTask(folder: string, signal = new AbortController().signal): Task & { readonly lines: string[] } {
  const lines: string[] = [];
  return {
    signal,
    logFile: join(folder, 'task.log'),
    lines,
    say: (line) => lines.push(line),
    progress: () => undefined,
  };
}
