import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';

const rules = new URL('../../docs/alerts.example.yml', import.meta.url).pathname;

/** Values of each series over fifty hours, five minutes apart, counted from 1970: in good days, and in bad ones. */
const SERIES: Readonly<Record<string, readonly [good: string, bad: string]>> = {
  'atomic_nightly_last_success_timestamp_seconds{stream="nightly"}': ['0x300 90000x300', '0x600'],
  'atomic_nightly_next_run_timestamp_seconds{stream="nightly"}': ['1x600', '1x600'],
  // It has no schedule, and its last success is a promotion of weeks ago.
  'atomic_nightly_last_success_timestamp_seconds{stream="release"}': ['0x600', '90000x600'],
  'atomic_nightly_last_success_timestamp_seconds{stream="new"}': ['_x12 3600x600', '_x600'],
  'atomic_nightly_next_run_timestamp_seconds{stream="new"}': ['_x12 1x200 _x400', '1x600'],
  'atomic_nightly_last_build_state{stream="nightly",state="complete"}': ['1x600', '0x600'],
  'atomic_nightly_last_build_state{stream="nightly",state="failed"}': ['0x600', '1x600'],
  atomic_nightly_run_active: ['1x20 0x600', '1x600'],
  atomic_nightly_disk_free_bytes: ['50000000000x600', '5000000000x600'],
  atomic_nightly_disk_used_bytes: ['50000000000x600', '95000000000x600'],
  'atomic_nightly_key_expiry_timestamp_seconds{key="AB"}': ['10000000x600', '864000x600'],
  'atomic_nightly_audit_findings{target="buildlogs",kind="changed"}': ['0x600', '1x600'],
  'atomic_nightly_audit_good_timestamp_seconds{target="buildlogs"}': ['0x300 90000x300', '0x600'],
  'atomic_nightly_content_tag_due_timestamp_seconds{tag="a"}': ['0+300x600', '0x600'],
  'atomic_nightly_content_tag_failures{tag="b"}': ['0x300 1x20 0x600', '4x600'],
  atomic_nightly_koji_up: ['1x300 0x3 1x600', '0x600'],
  atomic_nightly_content_bus_connected: ['1x600', '0x600'],
  atomic_nightly_content_bus_dropped: ['3x600', '0+1x600'],
  'up{job="atomic-nightly"}': ['1x600', '0x600'],
};

/** The alerts that fire after 40 hours. */
async function firing(days: 0 | 1): Promise<string[]> {
  const folder = temporaryFolder();
  const test_ = {
    interval: '5m',
    input_series: Object.entries(SERIES).map(([series, values]) => ({ series, values: values[days] })),
    promql_expr_test: [
      { expr: 'count by (alertname) (ALERTS{alertstate="firing"})', eval_time: '40h', exp_samples: [] },
    ],
  };
  const file = join(folder, 'test.yml');
  // JSON is YAML too.
  await writeFile(file, JSON.stringify({ rule_files: [rules], evaluation_interval: '5m', tests: [test_] }));
  const { stdout, stderr } = await run('promtool', ['test', 'rules', file], { okExitCodes: [0, 1] });
  // Nothing is expected, so that promtool lists what there is.
  return [...`${stdout}${stderr}`.matchAll(/alertname="(\w+)"/g)].map(([, name = '']) => name).sort();
}

test('each alert fires when it should, and none when all is well', async () => {
  await run('promtool', ['check', 'rules', rules]);
  const names = [...(await readFile(rules, 'utf8')).matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
  expect(names).toContain('AtomicNightlyNoSuccess');
  expect(await firing(0)).toEqual([]);
  expect(await firing(1)).toEqual(names.toSorted());
});

test('the alerts ask for what the service tells', async () => {
  const sources = ['metrics', 'audit-metrics', 'content-metrics'].map((name) =>
    readFile(new URL(`../../src/service/http/${name}.ts`, import.meta.url), 'utf8'),
  );
  const told = (await Promise.all(sources)).join('\n');
  const asked = new Set(
    [...(await readFile(rules, 'utf8')).matchAll(/atomic_nightly_(\w+)/g)].map(([, name = '']) => name),
  );
  expect([...asked].filter((name) => !told.includes(`'${name}'`))).toEqual([]);
});
