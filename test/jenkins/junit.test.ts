import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { BuildMeta } from '../../src/build/build-record.ts';
import { buildPaths } from '../../src/build/build-store.ts';
import { junitReport } from '../../src/cli/junit.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';

const GRAMMAR = new URL('junit.rng', import.meta.url).pathname;
const BUILD = '20261121_01';

const META: BuildMeta = {
  name: 'mini',
  buildid: BUILD,
  basearch: 'x86_64',
  ref: 'mini/x86_64/nightly',
  ostreeTimestamp: '2026-11-21T02:30:00.000Z',
  stream: 'nightly',
  state: 'incomplete',
};

async function report(journal: readonly object[], meta: Partial<BuildMeta> = {}): Promise<string> {
  const dir = temporaryFolder();
  const paths = buildPaths(dir, BUILD, 'x86_64');
  await mkdir(paths.dir, { recursive: true });
  const whole = journal.map((line) => ({ at: '2026-11-21T02:30:00.000Z', input: '0123456789abcdef', ...line }));
  await writeFile(paths.journal, whole.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const xml = await junitReport({ paths, meta: { ...META, ...meta } });
  const file = join(dir, 'report.xml');
  await writeFile(file, xml);
  await run('xmllint', ['--noout', '--relaxng', GRAMMAR, file]);
  return xml;
}

it('each step is a test case: its last try counts, and one that never ended has failed', async () => {
  const xml = await report(
    [
      { event: 'start', step: 'seed' },
      { event: 'failed', step: 'seed', seconds: 1, code: 'seed', message: 'no answer' },
      { event: 'start', step: 'seed' },
      { event: 'done', step: 'seed', seconds: 1.5 },
      { event: 'start', step: 'image-iso' },
      { event: 'failed', step: 'image-iso', seconds: 2, code: 'image', message: 'too <small>\u001b[1m & "old"\nmore' },
      { event: 'start', step: 'push-mirror' },
      { event: 'end', state: 'incomplete' },
    ],
    { pendingImages: ['generic-cloud'] },
  );
  expect(xml).toContain('<testcase name="seed" classname="nightly.steps" time="1.500"/>');
  expect(xml).toContain('<failure type="image" message="too &lt;small&gt;\ufffd[1m &amp; &quot;old&quot;">');
  expect(xml).toContain('<failure type="interrupted" message="It did not come to its end.">');
  expect(xml).toMatch(/image-generic-cloud".*<skipped message="Still to be made."\/>/);
  expect(xml).toContain('tests="4" failures="2" errors="0" skipped="1" time="3.500" timestamp="2026-11-21T02:30:00"');
});

it('each booted image and each health check in it is a test case', async () => {
  const result = { state: 'running', failedUnits: [], accelerator: 'tcg', serialLog: 'x' } as const;
  const xml = await report([{ event: 'done', step: 'smoke-test-iso', seconds: 9 }], {
    smokeTests: {
      iso: { ...result, bootSeconds: 30, checkSeconds: 2, healthChecks: ['sudo without a password'] },
    },
    failures: [{ step: 'smoke-test-box', code: 'gate-failed', message: 'Kernel panic' }],
  });
  expect(xml).toContain('<testcase name="iso comes up" classname="nightly.smoke-tests" time="32.000"/>');
  expect(xml).toContain('<testcase name="iso: sudo without a password"');
  expect(xml).toContain('<failure type="gate-failed" message="Kernel panic">Kernel panic</failure>');
  expect(xml).not.toContain('smoke-test-iso');
});

it('a build of which nothing is known is a valid report of nothing', async () => {
  expect(await report([])).toContain('tests="0"');
});
