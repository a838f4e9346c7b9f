import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

test('what answers a trigger without being the service is named, and nothing of it is printed as a time', async () => {
  let answer = '';
  const server = createServer((_, response) => response.writeHead(202).end(answer));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  const dir = join(temporaryFolder(), 'x');
  mkdirSync(dir);
  const tokenFile = join(dir, 'token');
  writeFileSync(tokenFile, 'secret\n', { mode: 0o600 });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (answer of ['<html>', '{}', '{"begins": "\\u001b[31msoon"}']) {
    const { code, stdout, stderr } = await runCli(dir, ['trigger', 'nightly', '--url', url, '--token-file', tokenFile]);
    expect([code, stdout], answer).toEqual([1, '']);
    expect(stderr).toContain(`The answer of ${url}/trigger/nightly is damaged`);
  }
  answer = '{"begins": "2026-11-21T02:30:00.000Z"}';
  const config = join(dir, 'atomic-nightly.yaml');
  const minimal = 'name: x\ntargets: {t: {type: directory, path: ./t, url: "http://127.0.0.1:9"}}\n';
  const stream = 'streams: {nightly: {ref: a/b, targets: [t], engine: {type: checkout, path: /usr}}}\n';
  writeFileSync(config, `${minimal}${stream}service: {listen: '0.0.0.0:${new URL(url).port}'}\n`);
  const here = await runCli(dir, ['trigger', 'nightly', '--token-file', tokenFile]);
  expect(here).toMatchObject({ code: 0, stdout: 'nightly begins at 2026-11-21T02:30:00.000Z\n' });
  const good = await runCli(dir, ['trigger', 'nightly', '--url', url, '--token-file', tokenFile]);
  expect(good).toMatchObject({ code: 0, stdout: 'nightly begins at 2026-11-21T02:30:00.000Z\n' });
});

test('a refusal by what has a page for that says its status, and no markup', async () => {
  const server = createServer((_, response) => response.writeHead(404).end('<!doctype html><p>nothing here'));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  const dir = temporaryFolder();
  const tokenFile = join(dir, 'token');
  writeFileSync(tokenFile, 'secret\n', { mode: 0o600 });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { code, stderr } = await runCli(dir, ['trigger', 'nightly', '--url', url, '--token-file', tokenFile]);
  expect([code, stderr.split('\n')[0]]).toEqual([2, `error: The service refused ${url}/trigger/nightly: 404`]);
});
