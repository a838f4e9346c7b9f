import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type RecordFormat, readRecord } from '../../src/base/read-record.ts';
import { readApprovals } from '../../src/build/approvals.ts';
import { readBuildMeta, storedMeta } from '../../src/build/build-record-format.ts';
import { parseTag } from '../../src/build/build-tags.ts';
import { surveyJournal } from '../../src/build/journal.ts';
import { isPathBelow } from '../../src/build/record-values.ts';
import { parseUpstream } from '../../src/build/upstream-record.ts';
import { parseAuditReport } from '../../src/publish/audit/audit-report.ts';
import { commitIn } from '../../src/publish/heads.ts';
import { readLogState } from '../../src/publish/log/log-state.ts';
import { readSearchIndex } from '../../src/published/search-index.ts';
import { parseSums } from '../../src/published/sha256sums.ts';
import { parsePackageList } from '../../src/rpm/package-list.ts';
import { readLockHolder } from '../../src/run/run-lock.ts';
import { readState } from '../../src/service/service-state.ts';
import { LOGGED } from '../../src/steps/log/log-build.ts';
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

  it('the search index, unpacked', () => {
    const [, , sample] = FORMATS.find(([name]) => name === 'search/builds.json.gz') ?? [];
    const read = (bytes: Uint8Array) => readSearchIndex(bytes, { name: 'FILE' });
    fuzz(mutatedJson([sample]), (value) => named(() => read(gzipSync(JSON.stringify(value) ?? ''))));
    fuzz(mutatedBytes([gzipSync(JSON.stringify(sample))]), (bytes) => named(() => read(bytes)));
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

  it('tags of builds', () => {
    const tag = { version: 1, name: 'a', build: '20261121_01', at: '2026-11-21T00:00:00Z', by: 'b', reason: 'c' };
    fuzzRecord(
      tag,
      (text) => parseTag(text, 'a', 'FILE'),
      ({ name }) => expect(name).toBe('a'),
    );
  });

  it('upstream.json, and lists of packages', () => {
    const other = { name: 'b', ours: '1-1.noarch', upstream: '2-1.noarch' };
    const source = { kind: 'ref', repo: 'https://x/repo', ref: 'a/b', commit: SHA };
    const about = { version: 2, build: '20261121_01', at: '2026-11-21T00:00:00Z', release: 'r', source };
    const record = { ...about, missing: ['a'], older: [other], newer: [], extra: [], kernel: { ours: '1-1' } };
    const sources = [{ name: 's', ours: '1-1', missing: ['a'], older: ['b'], newer: [], extra: [] }];
    const sides = { missing: ['x.service'], extra: [] };
    const whole = { ...record, sources, units: sides, users: sides, unknown: ['why'] };
    fuzzRecord(whole, (text) => parseUpstream(text, 'FILE'));
    expect(parseUpstream(JSON.stringify({ ...record, version: 1 }), 'FILE').version).toBe(1);
    fuzz(mutatedText(['a-1:2-3.noarch\n# x\n']), (text) => named(() => parsePackageList(text, 'FILE')));
  });

  it('lock.json', async () => {
    const write = file('lock.json');
    const holder = { pid: 1, host: 'h', command: 'nightly', since: '2026-11-21T00:00:00.000Z' };
    await fuzzAsync(mutatedText([JSON.stringify(holder)]), async (text) => {
      write(text);
      return readLockHolder(dir);
    });
  });

  it('state.json of the log', async () => {
    const write = file('log-state.json');
    const head = { size: 2, root: Buffer.alloc(32, 7).toString('base64') };
    const pending = { from: { ...head, size: 1 }, entries: [Buffer.from('entry').toString('base64')] };
    const state = { version: 1, origin: 'lab.example/log', signed: head, pending };
    await fuzzAsync(
      mutatedJson([state]),
      async (value) => readLogState(write(JSON.stringify(value) ?? ''), 'lab.example/log'),
      {
        check: (read) => {
          // What is added again must lead to what was signed.
          if (read?.pending) expect(read.pending.from.size + read.pending.entries.length).toBe(read.signed.size);
        },
      },
    );
    await fuzzAsync(mutatedText([JSON.stringify(state)]), async (text) => readLogState(write(text), 'lab.example/log'));
  });

  it('logged.json of a build', () => {
    const files = [{ path: 'images/x.iso', sha256: SHA, size: 3 }];
    const sample = { version: 1, files, entry: [Buffer.from('entry').toString('base64')] };
    fuzzRecord(
      sample,
      (text) => readRecord(text, LOGGED, 'FILE'),
      (logged) => expect(logged.files.every(({ path }) => isPathBelow(path))).toBe(true),
    );
  });

  it('the report of an audit', () => {
    const at = '2026-11-21T00:00:00.000Z';
    const evidence = [`audit-0123456789ab.json.seen-${SHA.slice(0, 12)}`];
    const findings = [{ kind: 'changed', what: 'get/verify.sh', why: 'other bytes' }];
    const read = { files: 1, bytes: 2 };
    const about = { version: 1, target: 'buildlogs', url: 'https://x', at, 'good-at': at, error: 'none' };
    const report = { ...about, ok: false, entries: 3, read, findings, evidence };
    fuzzRecord(
      report,
      (text) => parseAuditReport(Buffer.from(text), 'FILE'),
      (parsed) => expect(parsed.evidence.every((name) => !/[/\\]|\.\./.test(name))).toBe(true),
    );
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
