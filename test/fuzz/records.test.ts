import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type RecordFormat, readRecord } from '../../src/base/read-record.ts';
import { readApprovals } from '../../src/build/approvals.ts';
import { readBuildMeta, storedMeta } from '../../src/build/build-record-format.ts';
import { surveyJournal } from '../../src/build/journal.ts';
import { isPathBelow } from '../../src/build/record-values.ts';
import { commitIn } from '../../src/publish/heads.ts';
import { parseSums } from '../../src/published/sha256sums.ts';
import { readLockHolder } from '../../src/run/run-lock.ts';
import { readState } from '../../src/service/service-state.ts';
import { readLock } from '../../src/targets/lock-content.ts';
import { fullMeta } from '../support/build-meta.ts';
import { fuzz, fuzzAsync, mutatedBytes, mutatedJson, mutatedText } from '../support/fuzz.ts';
import { expectHarmless, FORMATS, SHA } from '../support/record-samples.ts';
import { directoryBed } from '../support/target-beds.ts';
import { sharedFolder } from '../support/tmp.ts';

const dir = sharedFolder();

/** Reads the record as JSON with other values, and as bytes that are no JSON any more. */
function fuzzRecord<Value>(
  sample: unknown,
  read: (text: string) => Value,
  check: (value: Value) => void = () => undefined,
) {
  fuzz(mutatedJson([sample]), (value) => named(() => read(JSON.stringify(value) ?? '')), { check });
  fuzz(mutatedText([JSON.stringify(sample)]), (text) => named(() => read(text)), { check });
}

/** Every refusal names the file. */
function named<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && !error.message.includes('FILE')) throw new TypeError(`no file: ${error.message}`);
    throw error;
  }
}

describe('text from outside never becomes a path: records', () => {
  it.each(FORMATS)('%s', (_, format: RecordFormat<unknown>, sample) => {
    fuzzRecord(sample, (text) => readRecord(text, format, 'FILE'));
  });

  it('meta.json', () => {
    const build = { id: '20261121_02', arch: 'x86_64' };
    fuzzRecord(storedMeta(fullMeta()), (text) => readBuildMeta(text, build, 'FILE'), expectHarmless);
  });

  it('SHA256SUMS', () => {
    fuzz(mutatedText([`${SHA}  meta.json\n${SHA} *images/x.iso\n`]), (text) => named(() => parseSums(text, 'FILE')), {
      check: (sums) => expect(sums.every(({ path }) => isPathBelow(path))).toBe(true),
    });
  });

  it('locks on targets', () => {
    const lock = { token: 't', host: 'h', boot: 'b', pid: 1, until: 1_795_000_000_000 };
    const read = (text: string) => readLock(Buffer.from(text), 'FILE');
    fuzzRecord(lock, read, ({ until }) => new Date(until).toISOString());
  });

  it('files of refs', async () => {
    const { target } = await directoryBed();
    const read = (bytes: Uint8Array) => commitIn(bytes, 'a/b', target);
    fuzz(mutatedBytes([`${SHA}\n`]), read, { check: (commit) => expect(commit).toMatch(/^[0-9a-f]{64}$/) });
  });
});

describe('files of the work folder', () => {
  const file = (name: string) => (text: string | Uint8Array) => {
    const path = join(dir, name);
    writeFileSync(path, text);
    return path;
  };

  it('journal.ndjson', async () => {
    const at = '2026-11-21T00:00:00.000Z';
    const journal = [
      { event: 'start', at, step: 'seed', input: '0123456789abcdef' },
      { event: 'done', at, step: 'seed', input: '0123456789abcdef', seconds: 1.5, output: { commit: SHA } },
      { event: 'failed', at, step: 'push', input: '0123456789abcdef', seconds: 1, code: 'locked', message: 'x' },
      { event: 'end', at, state: 'complete' },
    ];
    const write = file('journal.ndjson');
    const text = `${journal.map((one) => JSON.stringify(one)).join('\n')}\n`;
    await fuzzAsync(mutatedBytes([text]), async (bytes) => surveyJournal(write(bytes)), {
      check: ({ faults }) => {
        for (const { message } of faults) expect(message).toContain('journal.ndjson:');
      },
    });
  });

  it('approvals.json', async () => {
    const write = file('approvals.json');
    const approvals = JSON.stringify({ approvals: [{ by: 'a', at: '2026-11-21T00:00:00.000Z', note: 'n' }] });
    await fuzzAsync(mutatedText([approvals]), async (text) => readApprovals(write(text)));
  });

  it('lock.json', async () => {
    const write = file('lock.json');
    const holder = { pid: 1, host: 'h', command: 'nightly', since: '2026-11-21T00:00:00.000Z' };
    await fuzzAsync(mutatedText([JSON.stringify(holder)]), async (text) => {
      write(text);
      return readLockHolder(dir);
    });
  });

  it('state.json of the service', async () => {
    mkdirSync(join(dir, 'service'));
    const write = file('service/state.json');
    const now = '2026-11-21T00:00:00.000Z';
    const job = { id: 'j', stream: 'nightly', cause: 'schedule', notBefore: now, failures: 0, kills: 0 };
    await fuzzAsync(mutatedText([JSON.stringify({ moments: { nightly: now }, jobs: [job] })]), async (text) => {
      write(text);
      return readState(dir);
    });
  });
});
