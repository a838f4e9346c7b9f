import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sha256 } from '../../../src/base/files.ts';
import { audit } from '../../../src/cli/commands/audit.ts';
import { formatVkey, noteSigner } from '../../../src/log/note-keys.ts';
import { parsePolicy } from '../../../src/log/policy.ts';
import { exitCodeFor } from '../../../src/publish/audit/audit-findings.ts';
import { type AuditState, auditStateText, parseAuditState } from '../../../src/publish/audit/audit-ledger.ts';
import { type AuditRequest, auditTarget } from '../../../src/publish/audit/audit-target.ts';
import { type PublicFiles, publicFiles } from '../../../src/publish/verify/public-http.ts';
import { formatEntry, type LogEntry } from '../../../src/published/log-entry.ts';
import { buildFolder } from '../../../src/published/paths.ts';
import { fuzz, mutatedJson } from '../../support/fuzz.ts';
import { VECTORS, WITNESS } from '../../support/log-files.ts';
import { fillDisk, mountTmpfs } from '../../support/mounts.ts';
import { TEST_REF } from '../../support/ostree-repo.ts';
import { type PublishedTarget, publishedTarget, TESTED_REF } from '../../support/published-target.ts';
import { writeLog } from '../../support/served-log.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const POLICY = `log ${VECTORS.logVkey}\nwitness w1 ${VECTORS.witnessVkey}\nquorum w1\n`;
const DAY = 86_400;
const bytes = (entry: LogEntry): Buffer => formatEntry(entry)[0] ?? Buffer.alloc(0);
const digestOf = (content: Uint8Array) => ({ sha256: sha256(content), size: content.length });
const others = (count: number): Buffer[] => Array.from({ length: count }, (_, at) => Buffer.from(`other ${at}\n`));

/** What a build has now, as an entry. */
function buildEntry(
  { far, builds }: PublishedTarget,
  number: number,
  change: Readonly<Record<string, unknown>> = {},
): Buffer {
  const { id = '', commit = '' } = builds[number] ?? {};
  const folder = join(far, buildFolder(id, 'x86_64'));
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name).slice(folder.length + 1));
  const digest = (name: string) => digestOf(readFileSync(join(folder, name)));
  const files = names
    .filter((name) => name !== 'SHA256SUMS' && name !== 'meta.json')
    .map((path) => ({ path, ...digest(path) }));
  const build = { stream: 'nightly', id, arch: 'x86_64', commit, files };
  const entry = { kind: 'build', ...build, sums: digest('SHA256SUMS'), record: digest('meta.json'), ...change };
  return bytes(entry as LogEntry);
}

function refEntries({ builds }: PublishedTarget, number: number): Buffer[] {
  const { commit = '' } = builds[number] ?? {};
  return [TEST_REF, TESTED_REF].map((ref) => bytes({ kind: 'ref', ref, commit, timestamp: 1 }));
}

async function bedWithLog() {
  const bed = await publishedTarget(temporaryFolder());
  const entries = [...others(300), ...[0, 1].flatMap((night) => [...refEntries(bed, night), buildEntry(bed, night)])];
  writeLog(bed.far, { entries, witnesses: [WITNESS] });
  const look = async (options: Partial<AuditRequest> = {}) => {
    const asked: string[] = [];
    const real = publicFiles(bed.url, bed.task.signal);
    const note =
      <Rest extends readonly unknown[], Result>(ask: (path: string, ...rest: Rest) => Result) =>
      (path: string, ...rest: Rest): Result => {
        asked.push(path);
        return ask(path, ...rest);
      };
    const files: PublicFiles = { get: note(real.get), size: note(real.size), digest: note(real.digest) };
    const policy = parsePolicy(Buffer.from(POLICY), { file: 'POLICY' });
    const request = { files, url: bed.url, policy, fullSeconds: 7 * DAY, maxAgeSeconds: 2 * DAY, ...options };
    const result = await auditTarget(request, bed.task);
    return { ...result, asked, said: result.findings.map(({ kind, what, why }) => `${kind}: ${what}: ${why}`) };
  };
  const log = (more: readonly Buffer[], at?: number) =>
    writeLog(bed.far, { entries: [...entries, ...more], witnesses: [WITNESS], ...(at === undefined ? {} : { at }) });
  const put = (path: string, content: string) => writeFileSync(join(bed.far, path), content);
  const folder = (night: number) => buildFolder(bed.builds[night]?.id ?? '', 'x86_64');
  const image = (night: number) => `${folder(night)}/images/disk-${bed.builds[night]?.id}.qcow2`;
  return { bed, entries, look, log, put, folder, image };
}

it('what is served is what the log has; nothing new costs three requests, and what is new is read', async () => {
  const { bed, look, log, put, folder } = await bedWithLog();
  const first = await look();
  expect(first.said).toEqual([]);
  expect([first.entries, first.read.files]).toEqual([
    306,
    first.asked.filter((path) => path.startsWith('builds/2')).length,
  ]);
  expect(first.read.bytes).toBeGreaterThan(40_000);
  const state = saved(first.state);
  const second = await look({ state });
  expect([second.said, second.asked.sort()]).toEqual([[], ['builds/builds.json', 'log/checkpoint', 'repo/summary']]);
  // A legitimate change: the entry, then the file. Between the two it is neither wrong nor missing.
  put(`${folder(1)}/extra.json`, 'one\n');
  const change = { kind: 'build-changed', change: 'signed', gone: [] } as const;
  const now = buildEntry(bed, 1, change);
  log([now]);
  const third = await look({ state });
  expect(third.said).toEqual([]);
  expect(third.asked).toContain(`${folder(1)}/extra.json`);
  expect(third.asked).not.toContain(`${folder(0)}/meta.json`);
  put(`${folder(1)}/extra.json`, 'two\n');
  const later = buildEntry(bed, 1, change);
  put(`${folder(1)}/extra.json`, 'one\n');
  log([now, later]);
  const fourth = await look({ state: saved(third.state) });
  expect([fourth.said, [...(fourth.state?.behind.keys() ?? [])]]).toEqual([[], [`${folder(1)}/extra.json`]]);
  // After an hour it is.
  const late = saved(fourth.state);
  const since = new Map([...late.behind].map(([path, at]) => [path, at - 3601]));
  const fifth = await look({ state: { ...late, behind: since } });
  expect([fifth.said, exitCodeFor(fifth.findings)]).toEqual([[expect.stringMatching(/^behind: .*extra\.json/)], 12]);
  put(`${folder(1)}/extra.json`, 'two\n');
  const mended = await look({ state: saved(fifth.state) });
  expect([mended.said, mended.state?.behind.size]).toEqual([[], 0]);
  // What an entry says to be gone, and what retention gives up, need not be there any more.
  rmSync(join(bed.far, folder(1), 'extra.json'));
  rmSync(join(bed.far, folder(0), 'images'), { recursive: true });
  const pruned = bytes({
    kind: 'prune',
    commits: [],
    builds: [{ id: bed.builds[0]?.id ?? '', arch: 'x86_64', gone: ['images'] }],
  });
  log([now, later, buildEntry(bed, 1, { ...change, gone: ['extra.json'] }), pruned]);
  expect((await look({ state: saved(mended.state), fullSeconds: 0 })).said).toEqual([]);
  // A build leaves the index when its commit, or its images, are given up.
  const builds = readFileSync(join(bed.far, 'builds/builds.json'), 'utf8');
  const [newest] = (JSON.parse(builds) as { builds: object[] }).builds;
  put('builds/builds.json', JSON.stringify({ ...JSON.parse(builds), builds: [newest] }));
  expect((await look({ state: saved(mended.state) })).said).toEqual([]);
  const gone = buildEntry(bed, 1, { ...change, gone: ['extra.json'] });
  log([now, later, gone, bytes({ kind: 'prune', commits: [bed.builds[0]?.commit ?? ''], builds: [] })]);
  expect((await look({ state: saved(mended.state) })).said).toEqual([]);
  log([now, later, gone]);
  expect((await look({ state: saved(mended.state) })).said).toEqual([
    expect.stringMatching(/^missing: build 20260101_01/),
  ]);
  put('builds/builds.json', builds);
  // A build that was logged and never became visible is harmless.
  log([
    now,
    later,
    buildEntry(bed, 1, { ...change, gone: ['extra.json'] }),
    pruned,
    buildEntry(bed, 1, { id: '20260109_01' }),
  ]);
  expect((await look({ state: saved(mended.state), fullSeconds: 0 })).said).toEqual([]);
});

it('what another target gave up must be here, where the log knows which target this is', async () => {
  const { bed, look, log, folder } = await bedWithLog();
  rmSync(join(bed.far, folder(0), 'images'), { recursive: true });
  const build = { id: bed.builds[0]?.id ?? '', arch: 'x86_64', gone: ['images' as const] };
  const by = (target: string, builds: (typeof build)[] = [build]) =>
    bytes({ kind: 'prune', target, commits: [], builds });
  const missing = [expect.stringMatching(/^missing: .*images/)];
  log([]);
  expect((await look()).said).toEqual(missing);
  log([by(bed.url)]);
  expect((await look()).said).toEqual([]);
  // Nobody knows whose mirror this is; but a target of the configuration is known.
  log([by('https://elsewhere.example.org')]);
  const lenient = await look();
  expect([lenient.said, (await look({ isOurs: true })).said]).toEqual([[], missing]);
  // Once an entry names it, others' do not count; what was seen is remembered.
  log([by(bed.url, []), by('https://elsewhere.example.org')]);
  expect((await look()).said).toEqual(missing);
  log([by('https://elsewhere.example.org'), by(bed.url, [])]);
  expect(saved((await look()).state).isNamed).toBe(true);
  // Entries of earlier versions count everywhere.
  log([by(bed.url, []), bytes({ kind: 'prune', commits: [], builds: [build] })]);
  expect((await look()).said).toEqual([]);
});

it('whatever is done to what is served is found, and named', async () => {
  const { bed, entries, look, log, put, folder, image } = await bedWithLog();
  const state = saved((await look()).state);
  const old = Math.floor(Date.now() / 1000) - 3 * DAY;
  const restoring = (path: string, change: () => void) => (): (() => void) => {
    const content = readFileSync(join(bed.far, path));
    change();
    return () => writeFileSync(join(bed.far, path), content);
  };
  const relogged = (change: () => unknown) => (): (() => void) => {
    change();
    return () => void log([]);
  };
  const builds = readFileSync(join(bed.far, 'builds/builds.json'), 'utf8');
  const without = JSON.stringify({ ...JSON.parse(builds), builds: JSON.parse(builds).builds.slice(1) });
  const stranger = noteSigner(VECTORS.origin, 'ed25519', Buffer.alloc(32, 9));
  const cases: readonly (readonly [string, number, () => () => void, RegExp, Partial<AuditRequest>?])[] = [
    ['one byte of an image', 1, restoring(image(0), () => put(image(0), 'x')), /^changed: .*qcow2: it has SHA-256/],
    [
      'a record',
      1,
      restoring(`${folder(1)}/meta.json`, () => put(`${folder(1)}/meta.json`, '{}')),
      /^changed: .*meta\.json/,
    ],
    ['an image is gone', 1, restoring(image(1), () => rmSync(join(bed.far, image(1)))), /^missing: .*qcow2/],
    [
      'a build is gone',
      1,
      restoring('builds/builds.json', () => put('builds/builds.json', without)),
      /^missing: build 20260102_01/,
    ],
    [
      'all refs are gone',
      1,
      restoring('repo/summary', () => rmSync(join(bed.far, 'repo/summary'))),
      /^missing: ref test/,
    ],
    ...['', 'null\n', '['.repeat(100_000)].flatMap((text) =>
      (['repo/summary', 'builds/builds.json'] as const).map((path): (typeof cases)[number] => [
        `${path} is ${text.slice(0, 12)}, and an image is gone`,
        1,
        () => {
          const [whole, back] = [
            restoring(path, () => put(path, text))(),
            restoring(image(1), () => rmSync(join(bed.far, image(1))))(),
          ];
          return () => {
            whole();
            back();
          };
        },
        new RegExp(
          `^changed: ${path}: it cannot be read: [\\s\\S]*missing: .*qcow2|missing: .*qcow2[\\s\\S]*changed: ${path}`,
        ),
      ]),
    ),
    [
      'rolled back',
      1,
      relogged(() => writeLog(bed.far, { entries: entries.slice(0, 305), witnesses: [WITNESS] })),
      /^rolled-back: log: it had 306 entries and has 305/,
    ],
    [
      'split',
      1,
      relogged(() => writeLog(bed.far, { entries: entries.with(3, Buffer.from('x')), witnesses: [WITNESS] })),
      /^split: log: its first 306/,
    ],
    [
      'unlogged',
      1,
      relogged(() => writeLog(bed.far, { entries: others(320), witnesses: [WITNESS] })),
      /^unlogged: ref .*(?:[\s\S]*)unlogged: build 2026/,
      { state: undefined },
    ],
    ['no log', 1, relogged(() => rmSync(join(bed.far, 'log'), { recursive: true })), /^bad-log: log: there is none/],
    [
      'the key of another',
      1,
      relogged(() => writeLog(bed.far, { entries, witnesses: [WITNESS], log: stranger })),
      /^bad-log: log: .*not signed/,
    ],
    [
      'an entry that cannot be read',
      1,
      relogged(() => log([Buffer.from('atomic-nightly/1\n{}\n')])),
      /^bad-log: entry 306/,
    ],
    [
      'a bundle that was changed',
      1,
      relogged(() => {
        log(others(5));
        put('log/tile/entries/001.p/55', 'x');
      }),
      /^bad-log: log: .*entries/,
    ],
    ['no witness', 12, relogged(() => writeLog(bed.far, { entries })), /^unwitnessed: log: 0 of 1/],
    ['stale', 12, relogged(() => log([], old)), /^stale: log: it was cosigned/],
    [
      'a ref that went back',
      12,
      relogged(() => log([...refEntries(bed, 0).slice(1), ...refEntries(bed, 1).slice(1)])),
      /^behind: ref/,
      { state: wentBack(state), fullSeconds: 7 * DAY },
    ],
  ];
  for (const [name, code, change, why, options] of cases) {
    const mend = change();
    const result = await look({ state, fullSeconds: 0, ...options });
    expect([name, result.said.join('\n')]).toEqual([name, expect.stringMatching(why)]);
    expect([name, exitCodeFor(result.findings), result.state === undefined]).toEqual([name, code, code === 1]);
    expect([name, result.evidence !== undefined]).toEqual([name, name === 'rolled back' || name === 'split']);
    mend();
    expect([name, (await look({ state, fullSeconds: 0 })).said]).toEqual([name, []]);
  }

  /** As if the ref had named a commit that was logged later. */
  function wentBack(before: AuditState): AuditState {
    const later = 'ab'.repeat(32);
    const logged = new Map(before.refs).set(TEST_REF, [...(before.refs.get(TEST_REF) ?? []), later]);
    return { ...before, refs: logged, shown: new Map(before.shown).set(TEST_REF, later) };
  }
});

it('the command needs a URL, a key and a state file', async () => {
  const { bed, put, image } = await bedWithLog();
  const dir = temporaryFolder();
  const state = join(dir, 'audit.json');
  const call = async () => {
    let printed = '';
    const print = (text: string): void => {
      printed += text;
    };
    const given = { target: `${bed.url}/`, logKey: VECTORS.logVkey, policy: undefined, state, maxAge: undefined };
    const context = { config: '/nowhere', logFormat: 'plain' as const, signal: bed.task.signal, print };
    const code = await audit.run({ ...given, fullEvery: '7d', json: true }, context);
    return { code, ...(JSON.parse(printed) as { ok: boolean; findings: { kind: string; what: string }[] }) };
  };
  expect(await call()).toMatchObject({ code: 0, ok: true, findings: [] });
  const kept = readFileSync(state, 'utf8');
  put(image(0), 'x');
  expect(await call()).toMatchObject({ code: 0 });
  rmSync(state);
  expect(await call()).toMatchObject({ code: 1, ok: false, findings: [{ kind: 'changed', what: image(0) }] });
  expect(readdirSync(dir)).toEqual([]);
  writeFileSync(state, kept);
  const bad = {
    target: 'http://127.0.0.1:59999',
    logKey: formatVkey(WITNESS),
    policy: undefined,
    state,
    maxAge: undefined,
  };
  const context = { config: '/nowhere', logFormat: 'plain' as const, signal: bed.task.signal, print: () => undefined };
  await expect(audit.run({ ...bad, fullEvery: '7d', json: false }, context)).rejects.toThrow('key of a witness');
  await expect(audit.run({ ...bad, logKey: undefined, fullEvery: '7d', json: false }, context)).rejects.toThrow(
    'Name the key',
  );
  const gone = { ...bad, logKey: VECTORS.logVkey, fullEvery: '7d', json: false };
  await expect(audit.run(gone, context)).rejects.toThrow('gives no answer');
});

it('what was found is told, though the disk is too full to remember it', async () => {
  const { bed, entries } = await bedWithLog();
  const dir = join(temporaryFolder(), 'full');
  await mountTmpfs(dir, 'size=1M');
  let printed = '';
  const print = (text: string): void => {
    printed += text;
  };
  const given = { target: bed.url, logKey: VECTORS.logVkey, policy: undefined, maxAge: undefined, fullEvery: '7d' };
  const context = { config: '/nowhere', logFormat: 'plain' as const, signal: bed.task.signal, print };
  const look = () => audit.run({ ...given, state: join(dir, 'audit.json'), json: true }, context);
  expect(await look()).toBe(0);
  fillDisk(dir);
  writeLog(bed.far, { entries: entries.with(3, Buffer.from('x')), witnesses: [WITNESS] });
  printed = '';
  await expect(look()).rejects.toMatchObject({ code: 'disk-full', message: expect.stringContaining(dir) });
  expect(JSON.parse(printed)).toMatchObject({ ok: false, findings: [{ kind: 'split' }], evidence: [] });
});

it('fuzz: a state that was tampered with is refused, or says the same in one spelling', () => {
  const sample = {
    ...{
      version: 1,
      checkpoint: 'x',
      'full-at': 3,
      refs: { 'a/b': ['ab'.repeat(32)] },
      builds: { '20260101_01/x86_64': 'ab'.repeat(32) },
    },
    ...{
      files: { 'a/b': [{ sha256: 'ab'.repeat(32), size: 3 }] },
      indexed: [],
      shown: { 'a/b': 'ab'.repeat(32) },
      behind: { a: 1 },
    },
  };
  fuzz(mutatedJson([sample]), (value) => {
    const state = parseAuditState(Buffer.from(JSON.stringify(value) ?? ''), 'STATE');
    expect(saved(state)).toEqual(state);
  });
});

/** As the next audit reads it. */
function saved(state: AuditState | undefined): AuditState {
  if (!state) throw new Error('no state');
  return parseAuditState(Buffer.from(auditStateText(state)), 'STATE');
}
