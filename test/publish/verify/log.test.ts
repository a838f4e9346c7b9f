import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sha256 } from '../../../src/base/files.ts';
import { verify } from '../../../src/cli/commands/verify.ts';
import { formatVkey, noteSigner } from '../../../src/log/note-keys.ts';
import { parsePolicy } from '../../../src/log/policy.ts';
import { publicFiles } from '../../../src/publish/verify/public-http.ts';
import { type InspectLog, inspectLog } from '../../../src/publish/verify/verify-log.ts';
import { type Check, reportTo } from '../../../src/publish/verify/verify-report.ts';
import { formatEntry, type LogEntry } from '../../../src/published/log-entry.ts';
import { sumsPath } from '../../../src/published/paths.ts';
import { LOG, VECTORS, WITNESS } from '../../support/log-files.ts';
import { TEST_REF } from '../../support/ostree-repo.ts';
import { type PublishedTarget, publishedTarget, TESTED_REF } from '../../support/published-target.ts';
import { writeLog } from '../../support/served-log.ts';
import { temporaryFolder } from '../../support/tmp.ts';

/** Entries of others, which say nothing of what is published. */
const entriesFrom = (start: number, end: number): Buffer[] =>
  Array.from({ length: end - start }, (_, at) => Buffer.from(`entry ${start + at} of somebody else\n`));

const OTHER = noteSigner('w2.example', 'cosignature', Buffer.alloc(32, 7));
const bytes = (entry: LogEntry): Buffer => formatEntry(entry)[0] ?? Buffer.alloc(0);
const POLICY = `log ${VECTORS.logVkey}\nwitness w1 ${VECTORS.witnessVkey}\nwitness w2 ${formatVkey(OTHER)}\ngroup g any w1 w2\nquorum g\n`;

/** What the log of that target has when all that it shows was logged, with entries of others around. */
function entriesOf({ builds, far }: PublishedTarget): Buffer[] {
  const own = builds.flatMap(({ id, commit }): Buffer[] => {
    const sums = readFileSync(join(far, sumsPath(id, 'x86_64')));
    const digest = { sha256: sha256(sums), size: sums.length };
    const build = { stream: 'nightly', id, arch: 'x86_64', commit, sums: digest, record: digest, files: [] };
    const refs = [TEST_REF, TESTED_REF].map((ref) => bytes({ kind: 'ref', ref, commit, timestamp: 1 }));
    return [...refs, bytes({ kind: 'build', ...build })];
  });
  return [...entriesFrom(0, 300), ...own, ...entriesFrom(300, 310)];
}

/** What a client finds that has seen such a log before. */
async function look(bed: PublishedTarget, options: Partial<InspectLog> = {}) {
  const checks: Check[] = [];
  const files = publicFiles(bed.url, bed.task.signal);
  const policy = parsePolicy(Buffer.from(POLICY), { file: 'POLICY' });
  const builds = [`${bed.builds[0]?.id}/x86_64`];
  const request = { files, url: bed.url, policy, builds, maxAgeSeconds: 2 * 86_400, ...options };
  const { evidence } = await inspectLog(
    request,
    reportTo((check) => checks.push(check)),
    bed.task,
  );
  const faults = checks.flatMap((check) => (check.ok ? [] : [`${check.what}: ${check.why}`]));
  return { faults, evidence, passed: checks.flatMap((check) => (check.ok ? [check.what] : [])) };
}

it('a client that remembers what it saw finds whatever was done to a log', async () => {
  const bed = await publishedTarget(temporaryFolder());
  const [entries, id] = [entriesOf(bed), bed.builds[0]?.id ?? ''];
  const good = { entries, witnesses: [WITNESS] };
  const before = { note: Buffer.from(writeLog(bed.far, good)), file: 'STATE' };
  const sound = await look(bed);
  expect(sound.faults).toEqual([]);
  expect(sound.passed).toEqual(
    expect.arrayContaining([
      'log',
      'log age',
      `log, ref ${TEST_REF}`,
      `log, ref ${TESTED_REF}`,
      `log, build ${id}/x86_64`,
    ]),
  );
  const more = [...entries, ...entriesFrom(400, 600)];
  const grown = { ...good, entries: more };
  const last = { note: Buffer.from(writeLog(bed.far, grown)), file: 'STATE' };
  for (const seen of [before, last]) expect((await look(bed, { seen })).faults).toEqual([]);

  const damaged = (path: string) => (): void => {
    writeLog(bed.far, grown);
    const file = join(bed.far, 'log', path);
    const content = readFileSync(file);
    content[40] = (content[40] ?? 0) ^ 1;
    writeFileSync(file, content);
  };
  const stranger = noteSigner(VECTORS.origin, 'ed25519', Buffer.alloc(32, 9));
  const split = [...more.toSpliced(3, 1, Buffer.from('x\n')), Buffer.from('y\n')];
  const old = Math.floor(Date.now() / 1000) - 3 * 86_400;
  const cases: readonly (readonly [string, () => unknown, RegExp, Partial<InspectLog>?])[] = [
    ['rolled back', () => writeLog(bed.far, good), /^log history: it had 516 entries and has 316 now/],
    ['split', () => writeLog(bed.far, { ...good, entries: split }), /^log history: its first 516 entries are others/],
    [
      'no witness',
      () => writeLog(bed.far, { entries: more }),
      /^log witnesses: cosigned by 0 of 2 witnesses, which is too few/,
    ],
    ['no witness, so no time', () => writeLog(bed.far, { entries: more }), /^log age: no witness/],
    ['stale', () => writeLog(bed.far, { ...grown, at: old }), /^log age: cosigned .* are allowed/],
    ['the key of another', () => writeLog(bed.far, { ...grown, log: stranger }), /^log: .*not signed by the log's key/],
    ['no log', () => rmSync(join(bed.far, 'log'), { recursive: true }), /^log: there is no release log/],
    [
      'no ref in it',
      () => writeLog(bed.far, { ...good, entries: entriesFrom(0, 330) }),
      /^log, ref .* is not in the log/,
    ],
    [
      'no build in it',
      () => writeLog(bed.far, grown),
      /^log, build 20991231_01\/x86_64: is not in the log/,
      { builds: ['20991231_01/x86_64'] },
    ],
    [
      'a state that is none',
      () => writeLog(bed.far, grown),
      /^log history: .*no signed note/,
      { seen: { note: Buffer.from('x'), file: 'STATE' } },
    ],
    [
      'an entry of a later version',
      () => writeLog(bed.far, { ...good, entries: [...more, Buffer.from('atomic-nightly/2\n{}\n')] }),
      /^log, entry 516: .*written by a newer atomic-nightly/,
    ],
    ['a changed tile', damaged('tile/0/001'), /^log entries: .*what it holds was changed/],
    ['a changed entry', damaged('tile/entries/001'), /^log entries: .*it was changed/],
    ['a changed edge', damaged('tile/0/002.p/4'), /^log: The tiles at the right edge/],
  ];
  for (const [name, change, why, options] of cases) {
    change();
    const { faults, evidence } = await look(bed, { seen: last, ...options });
    expect([name, faults]).toEqual([name, expect.arrayContaining([expect.stringMatching(why)])]);
    expect([name, evidence?.seen]).toEqual([name, /^(rolled|split|no ref)/.test(name) ? last.note : undefined]);
  }
  writeLog(bed.far, grown);
  writeFileSync(join(bed.far, sumsPath(id, 'x86_64')), 'changed\n');
  expect((await look(bed)).faults).toEqual([
    expect.stringMatching(/^log, build .* is not what entry 302 of the log says/),
  ]);
});

it('the command remembers only what passed all checks, and keeps what does not fit together', async () => {
  const dir = temporaryFolder();
  const bed = await publishedTarget(dir, { nights: 1 });
  const config = join(dir, 'atomic-nightly.yaml');
  const stream = 'nightly: {treefile: treefile.yaml, arch: x86_64, targets: [buildlogs]}';
  const target = `buildlogs: {type: directory, path: ${bed.far}, url: '${bed.url}'}`;
  writeFileSync(config, `name: mini\nwork: ./work\ntargets:\n  ${target}\nstreams:\n  ${stream}\n`);
  writeFileSync(join(dir, 'treefile.yaml'), `ref: ${TEST_REF}\n`);
  const [policy, state] = [join(dir, 'policy'), join(dir, 'state')];
  writeFileSync(policy, POLICY);
  const call = async () => {
    const lines: string[] = [];
    const build = [`${bed.builds[0]?.id}/x86_64`];
    const values = {
      target: undefined,
      ref: undefined,
      images: false,
      json: false,
      build,
      logKey: undefined,
      policy,
      state,
    };
    const print = (text: string): void => void lines.push(text);
    const context = { config, logFormat: 'plain' as const, signal: bed.task.signal, print };
    const code = await verify.run({ ...values, maxAge: undefined }, context);
    return { code, text: lines.join('\n') };
  };
  const good = { entries: entriesOf(bed), witnesses: [WITNESS] };
  const first = writeLog(bed.far, good);
  const sound = await call();
  expect(sound.text).toMatch(/^ok {6}log history: nothing was seen of it before$/m);
  expect([sound.code, readFileSync(state, 'utf8')]).toEqual([0, first]);
  const other = writeLog(bed.far, { ...good, entries: good.entries.with(0, Buffer.from('x\n')) });
  const split = await call();
  expect(split.text).toMatch(/^not ok {2}log history: its first \d+ entries are others than before/m);
  expect([split.code, readFileSync(state, 'utf8')]).toEqual([1, first]);
  const kept = readdirSync(dir).filter((file) => /^state\.(seen|served)-/.test(file));
  expect(kept.map((file) => readFileSync(join(dir, file), 'utf8')).sort()).toEqual([first, other].sort());
});

it.each([
  [{ state: 'x' }, 'about the release log'],
  [{ maxAge: '3', logKey: VECTORS.logVkey }, 'must be a number with m, h, d or w'],
  [{ logKey: VECTORS.witnessVkey }, 'is the key of a witness'],
  [{ policy: '/nowhere' }, 'The policy /nowhere is not there'],
  [{ logKey: formatVkey(LOG).slice(1) }, 'no key of a log'],
])('%j: a clear error before anything is asked', async (options, why) => {
  const none = { target: undefined, ref: undefined, images: false, json: false, build: [] };
  const log = { logKey: undefined, policy: undefined, state: undefined, maxAge: undefined };
  const context = {
    config: '/nowhere',
    logFormat: 'plain' as const,
    signal: new AbortController().signal,
    print: () => undefined,
  };
  await expect(verify.run({ ...none, ...log, ...options }, context)).rejects.toThrow(why);
});
