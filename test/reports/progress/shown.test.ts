import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunEvent } from '../../../src/build/events.ts';
import { quietListener } from '../../../src/reports/progress/progress-lines.ts';
import { verboseListener } from '../../../src/reports/progress/verbose-lines.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const FAILED: RunEvent = { type: 'step-failed', step: 'compose', seconds: 2, code: 'compose', message: 'No.\nmore' };

test('quiet: only what fails', () => {
  const lines: string[] = [];
  const { listen } = quietListener((line) => lines.push(line));
  listen({ type: 'run-started', build: '20261130_01', stream: 'nightly', resumed: false });
  listen({ type: 'step-started', step: 'compose' });
  listen({ type: 'step-line', step: 'compose', line: 'warming up' });
  listen(FAILED);
  expect(lines).toEqual(['  ✗ compose (2.0 s): No.']);
});

test('verbose: what the programs of a step print stands between its beginning and its end; of an earlier attempt nothing does', () => {
  const log = join(temporaryFolder(), 'compose.log');
  writeFileSync(log, 'earlier\n');
  const lines: string[] = [];
  const { listen, close } = verboseListener((line) => lines.push(line));
  listen({ type: 'step-started', step: 'compose', log });
  appendFileSync(log, '$ dnf install\nInstalling 3 packages\n# said\nhalf a li');
  listen({ type: 'step-line', step: 'compose', line: 'said' });
  listen(FAILED);
  close();
  expect(lines).toEqual([
    '  … compose',
    ...['$ dnf install', 'Installing 3 packages', '# said'].map((line) => `    compose: ${line}`),
    '  ✗ compose (2.0 s): No.',
  ]);
});
