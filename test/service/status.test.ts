import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { buildList } from '../../src/build/build-list.ts';
import { buildPaths, surveyBuilds } from '../../src/build/build-store.ts';
import { surveyJournal } from '../../src/build/journal.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { run } from '../../src/programs/exec.ts';
import { type AuditReport, writeAuditReport } from '../../src/publish/audit/audit-report.ts';
import { otherProblems } from '../../src/service/other-problems.ts';
import { judge, standingProblems, statusOf } from '../../src/service/status.ts';
import { buildMiniRpm } from '../support/mini-rpm.ts';
import { makePageBuilds, type PageBuilds } from '../support/page-builds.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { rebuildWorld } from '../support/trust-world.ts';
import { runCli } from '../support/world.ts';

const NOON = new Date('2026-10-03T12:00:00Z');

/** Three good nights, the last of 3 October, and a configuration changed as asked. */
async function nights(change: (text: string) => string = (text) => text): Promise<PageBuilds & { path: string }> {
  const dir = temporaryFolder();
  const builds = await makePageBuilds(dir, 3);
  const path = join(dir, 'atomic-nightly.yaml');
  const text = readFileSync(path, 'utf8').replace(/^ {2}release:\n(?: {4}.*\n)+/m, '');
  writeFileSync(path, change(text));
  return { ...builds, path, config: await loadConfig(path) };
}

const problems = async (config: Config, now = NOON): Promise<readonly string[]> =>
  (await statusOf(config, now)).problems;

const others = async (...asked: Parameters<typeof otherProblems>): Promise<readonly string[]> =>
  (await otherProblems(...asked)).map(({ problem }) => problem);

test('all is well after a good night: what was last, what comes next, the disk', async () => {
  const { config } = await nights(scheduled);
  const found = await statusOf(config, NOON);
  expect(found).toMatchObject({
    problems: [],
    queue: [],
    streams: [
      {
        stream: 'nightly',
        last: { build: '20261003_01', state: 'complete', ageSeconds: 9.5 * 3600 },
        good: { build: '20261003_01' },
        behind: [],
      },
    ],
  });
  expect(Date.parse(found.streams[0]?.next ?? '')).toBeGreaterThan(Date.now());
  expect(found.disk?.total).toBeGreaterThan(found.disk?.free ?? 0);
});

test('a failed night is named with the step and the cause, and stays so while the next one is under way', async () => {
  const { config, write, meta, hold } = await nights();
  const failure = { event: 'failed', step: 'compose', input: 'x', seconds: 1, code: 'tool-failed' } as const;
  write({ ...meta('20261003_01'), state: 'failed' }, [
    { ...failure, at: '2026-10-03T02:40:00Z', message: 'No package "nope" in any repository.\nand more' },
  ]);
  const cause = 'nightly: build 20261003_01 is failed, 9 h old: compose: No package "nope" in any repository.';
  expect(await problems(config)).toEqual([cause]);
  hold('nightly');
  write({ ...meta('20261003_01'), buildid: '20261003_02', state: 'running' });
  const found = await statusOf(config, NOON);
  expect(found.running).toMatchObject({ command: 'nightly', pid: process.pid });
  expect(found.problems).toEqual([cause]);
});

test('of several failures in a row it is told since when', async () => {
  const { config, write, meta } = await nights();
  write({ ...meta('20261002_01'), state: 'interrupted' });
  write({ ...meta('20261003_01'), state: 'incomplete' });
  const found = await statusOf(config, NOON);
  expect(found.streams[0]?.failing).toEqual({ build: '20261002_01', ageSeconds: 33.5 * 3600, builds: 2 });
  expect(found.problems).toEqual([
    'nightly: build 20261003_01 is incomplete, 9 h old, the last of 2 in a row since 20261002_01 (33 h ago).',
  ]);
});

test('a build whose process was killed is one to resume, not one to follow', async () => {
  const { config, write, meta } = await nights();
  write({ ...meta('20261003_01'), state: 'running' });
  const [first] = (await statusOf(config, NOON)).nextSteps;
  expect(first?.problem).toContain('is interrupted');
  expect(first?.nextStep).toBe(
    '"atomic-nightly log 20261003_01" shows what happened. "atomic-nightly resume 20261003_01" continues it.',
  );
});

test('a stream without a good build for two periods of its schedule is late', async () => {
  const { config } = await nights(scheduled);
  expect(await problems(config, new Date('2026-10-05T02:00:00Z'))).toEqual([]);
  expect(await problems(config, new Date('2026-10-05T03:00:00Z'))).toEqual([
    'nightly: no build has succeeded for 2 d; the last was 20261003_01.',
  ]);
});

test('a target that lacks the newest build, a key that is not there, and one that expires soon', async () => {
  const dir = temporaryFolder();
  const { home, key } = await makeSigningKey(dir);
  await run('gpg', ['--homedir', home, '--batch', '--quick-set-expire', key, '20d']);
  const { config } = await nights((text) =>
    text
      .replace(
        'targets: [buildlogs]',
        `targets: [buildlogs, staging]\n    signing: {type: gpg-agent, home: ${home}, key: ${key}}`,
      )
      .concat('  other:\n    treefile: ./tree.yaml\n    ref: lab/x86_64/other\n    targets: [mirror]\n')
      .concat(`    signing: {type: openpgp, key-file: ${join(dir, 'none.asc')}}\n`),
  );
  const found = await problems(config);
  expect(found[0]).toBe('nightly: not published to staging yet.');
  expect(found[1]).toMatch(/^Signing: key [0-9A-F]{40} expires in (19|20) days, on /);
  expect(found[2]).toContain('none.asc');
  expect(found).toHaveLength(3);
});

test('I15: damaged records are named, and the rest is told as ever', async () => {
  const { config } = await nights();
  writeFileSync(buildPaths(config.work, '20261001_01', 'x86_64').meta, '{');
  mkdirSync(join(config.work, 'service'));
  writeFileSync(join(config.work, 'service/state.json'), '[]');
  const found = await statusOf(config, NOON);
  expect(found.problems).toHaveLength(2);
  expect(found.problems[0]).toContain('Build 20261001_01 is damaged: ');
  expect(found.problems[1]).toContain('service/state.json');
  expect(found.streams[0]?.good?.build).toBe('20261003_01');
});

test('before the first night nothing is wrong, and the command says so; trouble is exit code 1', async () => {
  const { path, config, write, meta } = await nights();
  const dir = temporaryFolder();
  writeFileSync(join(dir, 'tree.yaml'), 'ref: lab/x86_64/nightly\nrepos: [lab]\npackages: [bash]\n');
  writeFileSync(join(dir, 'atomic-nightly.yaml'), readFileSync(path));
  const empty = await runCli(dir, ['status']);
  expect(empty.stdout).toMatch(/^All is well\.\n[\s\S]*\nnightly {2}- +no build yet/);
  expect(empty.code).toBe(0);
  write({ ...meta('20261003_01'), state: 'interrupted' });
  const stopped = await runCli(join(config.work, '..'), ['status']);
  expect(stopped.stdout).toMatch(
    /^1 thing needs you:\n {2}nightly: build 20261003_01 is interrupted, \d+ d old\.\n {4}"atomic-nightly log 20261003_01" shows what happened\. "atomic-nightly resume 20261003_01" continues it\.\n/,
  );
  expect(stopped.code).toBe(1);
  const coloured = await runCli(join(config.work, '..'), ['status', '--color', 'always']);
  expect(coloured.stdout.startsWith('\x1b[31m1 thing needs you:\x1b[0m\n')).toBe(true);
  // Columns are as wide as what is seen of them.
  const withoutDisk = (text: string): string => text.replace(/^Disk:.*$/m, '');
  expect(withoutDisk(stripVTControlCharacters(coloured.stdout))).toBe(withoutDisk(stopped.stdout));
});

test('each kind of trouble has its next step, in the order of the problems', async () => {
  const { config, write, meta } = await nights((text) =>
    scheduled(text)
      .replace(
        'targets: [buildlogs]',
        `targets: [buildlogs, staging]\n    signing: {type: openpgp, key-file: ./none.asc}`,
      )
      .concat(
        "log: {home: buildlogs, key-file: ./log.key}\naudit: {targets: [buildlogs, staging], policy: ./log.policy, schedule: {cron: '0 4 * * *'}}\n",
      ),
  );
  const report: AuditReport = {
    ...{ version: 1, target: 'buildlogs', url: 'https://example.org', at: '2026-10-08T04:00:00.000Z', ok: false },
    ...{ entries: 3, read: { files: 3, bytes: 9 }, evidence: [] },
    findings: [{ kind: 'changed', what: 'repo/config', why: 'is another' }],
  };
  await writeAuditReport(config.work, report);
  await writeAuditReport(config.work, { ...report, target: 'staging', at: '2026-10-03T04:00:00.000Z', findings: [] });
  writeFileSync(buildPaths(config.work, '20261001_01', 'x86_64').meta, '{');
  const failure = { event: 'failed', step: 'compose', input: 'x', seconds: 1, code: 'tool-failed' } as const;
  write({ ...meta('20261003_01'), state: 'failed' }, [{ ...failure, at: '2026-10-03T02:40:00Z', message: 'No.' }]);
  const builds = buildList((await surveyBuilds(config.work)).builds.map((one) => ({ ...one, state: one.meta.state })));
  const [survey, now] = [await surveyBuilds(config.work), new Date('2026-10-08T12:00:00Z')];
  const found = await judge(
    config,
    {
      ...{ builds, damaged: survey.damaged, running: undefined, disk: { free: 1, total: 9 } },
      journal: async (path) => (await surveyJournal(path)).entries,
      standingProblems: await standingProblems(config, now),
    },
    now,
  );
  expect(found.nextSteps.map(({ problem }) => problem)).toEqual(found.problems);
  expect(found.nextSteps.map(({ nextStep }) => nextStep)).toEqual([
    expect.stringMatching(/^Bring it back from a backup/),
    '"atomic-nightly log 20261003_01 compose" shows what happened. "atomic-nightly resume 20261003_01" continues it.',
    expect.stringMatching(/^"atomic-nightly list --stream nightly" shows what there was since/),
    expect.stringMatching(/^"atomic-nightly publish 20261003_01 --dry-run" shows what is missing there/),
    expect.stringMatching(/^"atomic-nightly gc --dry-run" shows/),
    expect.stringMatching(/^"atomic-nightly keys show" shows all keys/),
    expect.stringMatching(/^The page audit\/ of the service lists them; .* "atomic-nightly audit buildlogs" audits/),
    expect.stringMatching(/^"atomic-nightly audit staging" audits it again; look whether "atomic-nightly serve" runs/),
  ]);
});

function scheduled(text: string): string {
  return text.replace(
    '    targets: [buildlogs]\n',
    "    targets: [buildlogs]\n    schedule: {cron: '30 2 * * *', time-zone: UTC}\n",
  );
}

test('what an audit found, or that there was none for two periods, is told until the next one', async () => {
  const { config } = await nights(
    (text) =>
      `${text}log: {home: buildlogs, key-file: ./log.key}\naudit: {targets: [buildlogs], policy: ./log.policy, schedule: {cron: '0 4 * * *'}}\n`,
  );
  expect(await problems(config)).toEqual([]);
  const report: AuditReport = {
    ...{ version: 1, target: 'buildlogs', url: 'https://example.org', at: '2026-10-03T04:00:00.000Z', ok: true },
    ...{ entries: 3, read: { files: 3, bytes: 9 }, findings: [], evidence: [] },
  };
  const audited = async (found: Partial<AuditReport>, now = NOON) => {
    await writeAuditReport(config.work, { ...report, ...found });
    return others(config, now);
  };
  expect(await audited({})).toEqual([]);
  const findings = ['get/verify.sh', 'repo/config'].map((what) => ({
    kind: 'changed' as const,
    what,
    why: 'is another',
  }));
  expect(await audited({ ok: false, findings })).toEqual([
    'Audit of buildlogs: 2 things are not as the log has it: get/verify.sh: is another',
  ]);
  expect(await audited({ ok: false, error: 'The server is away.' })).toEqual([
    'Audit of buildlogs: The server is away.',
  ]);
  expect(await audited({}, new Date('2026-10-05T12:00:00Z'))).toEqual(['Audit of buildlogs: the last was 2 d ago.']);
});

test('disputes that wait for a person are told', async () => {
  const world = await rebuildWorld(temporaryFolder());
  expect(await others(world.config)).toEqual([]);
  for (const [builder, text] of [
    ['alpha', 'one'],
    ['beta', 'other'],
  ] as const) {
    const files = [{ path: '/usr/bin/hello', text, mode: '0755' }];
    const rpm = await buildMiniRpm({ name: 'hello', version: '1.0', release: '1', arch: 'x86_64', files });
    await world.submit({ builder, rpms: [rpm] });
  }
  expect(await others(world.config)).toEqual(['Rebuilds: 1 dispute waits for a person: "atomic-nightly disputes".']);
  expect((await otherProblems(world.config))[0]?.nextStep).toMatch(/^"atomic-nightly disputes show ID" shows/);
});
