import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { RunEvent } from '../../../src/build/events.ts';
import { quietListener } from '../../../src/reports/progress/progress-lines.ts';
import { selectListener } from '../../../src/reports/progress/select-listener.ts';
import { verboseListener } from '../../../src/reports/progress/verbose-lines.ts';
import { serviceLog } from '../../../src/service/service-log.ts';
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

test('a dumb terminal gets lines, and nothing that moves a cursor', async () => {
  const written = (term: string): string => {
    vi.stubEnv('TERM', term);
    const parts: string[] = [];
    const stream = { isTTY: true, columns: 80, write: (part: string) => parts.push(part) > 0 };
    const { listen, close } = selectListener('auto', stream as never);
    listen({ type: 'step-started', step: 'compose' });
    listen({ type: 'step-progress', step: 'compose', done: 1, total: 2, unit: 'packages' });
    listen(FAILED);
    close();
    vi.unstubAllEnvs();
    return parts.join('');
  };
  expect(written('xterm')).toContain('\u001b[');
  expect(written('dumb')).not.toContain('\u001b');
  expect(written('dumb')).toContain('compose (2.0 s): No.\n');
});

test.each(['auto', 'json'] as const)(
  'K17: the service’s log has a line for a sentence, whatever a topic or a name in it has: %s',
  (format) => {
    const parts: string[] = [];
    const log = serviceLog(format, { write: (part: string) => parts.push(part) > 0 } as never);
    log('mqtt: asked for by a/topic\n2026-11-30 error: forged\u001b[2J\u2028x', { topic: 'a\nb\u001b' });
    const text = parts.join('');
    expect(text.endsWith('\n')).toBe(true);
    for (const raw of ['\n', '\r', '\u001b', '\u2028']) expect(text.slice(0, -1)).not.toContain(raw);
    expect(text).toContain('forged');
  },
);
