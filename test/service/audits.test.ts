import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { sha256 } from '../../src/base/files.ts';
import { auditStatePath } from '../../src/publish/audit/audit-report.ts';
import { formatEntry } from '../../src/published/log-entry.ts';
import { serveFolder } from '../support/nginx.ts';
import { configureService, endService, startServe } from '../support/service.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { runCli } from '../support/world.ts';

const NOBODY = 'http://127.0.0.1:1';

/** A web hook that keeps what it is sent. */
async function webHook() {
  const events: { type: string; url: string; findings: { kind: string; what: string }[] }[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    events.push(JSON.parse(Buffer.concat(parts).toString()));
    response.end();
  });
  await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { events, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

it('the service audits on a schedule: page, metrics and one event for each finding; evidence is kept; what is mended is well again', async () => {
  const dir = temporaryFolder();
  const far = join(dir, 'far');
  mkdirSync(join(far, 'get'), { recursive: true });
  const { url, stop } = await serveFolder({ root: far });
  onTestFinished(stop);
  const hook = await webHook();
  writeFileSync(join(dir, 'hook-secret'), 'planted secret 5c1e of a test\n', { mode: 0o600 });
  writeFileSync(join(dir, 'treefile.yaml'), 'ref: test/x86_64/nightly\n');
  const config = join(dir, 'atomic-nightly.yaml');
  const text = `name: mini
work: ./work
targets:
  buildlogs: {type: directory, path: ${far}, url: '${url}'}
log: {home: buildlogs, key-file: ./log.key}
notify:
  - {type: webhook, url: '${hook.url}', secret-file: ./hook-secret, streams: [nightly]}
streams:
  nightly: {treefile: treefile.yaml, arch: x86_64, targets: [buildlogs]}
`;
  writeFileSync(config, text);
  const cli = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await runCli(dir, args);
    expect([args, code], stderr).toEqual([args, 0]);
    return stdout;
  };
  const vkey = (await cli('log', 'init')).trim().split('\n').at(-1) ?? '';
  cpSync(join(far, 'log'), join(dir, 'log-before'), { recursive: true });
  const tool = join(far, 'get/verify.sh');
  const content = '#!/bin/sh\n';
  const file = { path: 'get/verify.sh', sha256: sha256(content), size: content.length };
  writeFileSync(tool, content);
  const [entry = Buffer.alloc(0)] = formatEntry({ kind: 'tool', file, version: '1' });
  writeFileSync(join(dir, 'entry'), entry);
  await cli('log', 'append', 'entry');
  cpSync(join(far, 'log'), join(dir, 'log-now'), { recursive: true });

  const block = (targets: string) =>
    `audit: {targets: [${targets}], log-key: '${vkey}', schedule: {cron: '*/2 * * * * *'}, everything: 7d}\n`;
  writeFileSync(config, `${text}${block('buildlogs')}`);
  const [first] = JSON.parse(await cli('audit', '--json'));
  expect(first).toMatchObject({ target: 'buildlogs', url, ok: true, entries: 2, read: { files: 1 }, findings: [] });
  expect(first['good-at']).toBe(first.at);

  writeFileSync(tool, `${content}\n`);
  const state = auditStatePath(join(dir, 'work'), 'buildlogs');
  // As if the last look at all files were long ago.
  writeFileSync(state, readFileSync(state, 'utf8').replace(/"full-at": \d+/, '"full-at": 1'));
  writeFileSync(config, `${text}${block(`buildlogs, '${NOBODY}'`)}`);
  await configureService({ config });
  const service = await startServe({ dir });
  onTestFinished(() => endService(service, { dir }));
  const get = async (path: string) => (await fetch(`${service.url}${path}`)).text();
  const page = (words: string | RegExp) => until(async () => new RegExp(words).test(await get('/audit/')));
  await page('<th scope="row">changed</th><td>get/verify.sh</td>');
  expect(await get('/')).toContain('href="./audit/"');
  await page('could not be audited[^]*gives no answer');
  await until(async () => /audit_findings\{target="buildlogs",kind="changed"\} 1\n/.test(await get('/metrics')));
  const metrics = await get('/metrics');
  expect(metrics).toContain('atomic_nightly_audit_findings{target="buildlogs",kind="split"} 0\n');
  expect(metrics).toContain(
    `atomic_nightly_audit_good_timestamp_seconds{target="buildlogs"} ${Date.parse(first.at) / 1000}\n`,
  );
  expect(metrics).toContain('atomic_nightly_log_entries{target="buildlogs"} 2\n');
  expect(metrics).toContain(`atomic_nightly_audit_good_timestamp_seconds{target="${NOBODY}"} 0\n`);

  // The log goes back; what was told before is not told again.
  rmSync(join(far, 'log'), { recursive: true });
  cpSync(join(dir, 'log-before'), join(far, 'log'), { recursive: true });
  await page('<th scope="row">rolled-back</th><td>log</td>');
  const [, evidence = ''] = /href="evidence\/([^"]+served[^"]+)"/.exec(await get('/audit/')) ?? [];
  expect(await get(`/audit/evidence/${evidence}`)).toBe(readFileSync(join(dir, 'log-before/checkpoint'), 'utf8'));
  const others = readdirSync(join(dir, 'work/audit')).filter(
    (name) => !name.includes('.served-') && !name.includes('.seen-'),
  );
  for (const name of [...others, '..%2fservice%2fstate.json']) {
    expect([name, (await fetch(`${service.url}/audit/evidence/${name}`)).status]).toEqual([name, 404]);
  }
  await until(() => hook.events.length > 1);
  expect(hook.events).toMatchObject([
    { type: 'audit-finding', url, findings: [{ kind: 'changed', what: 'get/verify.sh' }] },
    { type: 'audit-finding', url, findings: [{ kind: 'rolled-back', what: 'log' }] },
  ]);

  rmSync(join(far, 'log'), { recursive: true });
  cpSync(join(dir, 'log-now'), join(far, 'log'), { recursive: true });
  writeFileSync(tool, content);
  await page('buildlogs: all is as the log has it');
  await until(async () => /audit_findings\{target="buildlogs",kind="rolled-back"\} 0\n/.test(await get('/metrics')));
  expect(await service.end('SIGTERM')).toBe(0);
});
