import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { makePrivateCa, serveOverTls, startSquid } from '../support/proxy-world.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, runCli } from '../support/world.ts';

const REPO = { user: 'builder', password: 'repository-p@ss:word' };
const PROXY = { user: 'nightly', password: 'proxy-p@ss/word' };

test('a night behind a proxy that asks for a login, with a private CA on both ends; no password is told', async () => {
  const dir = temporaryFolder();
  const world = await makeWorld(dir);
  onTestFinished(() => world.stop());
  const ca = await makePrivateCa(join(dir, 'ca'));
  const repository = await serveOverTls(join(dir, 'repository-server'), {
    ca,
    root: world.distro.repoDir,
    login: REPO,
  });
  onTestFinished(() => repository.stop());
  const published = await serveOverTls(join(dir, 'public-server'), { ca, root: world.published });
  onTestFinished(() => published.stop());
  const place = temporaryFolder();
  await chmod(place, 0o755);
  const squid = await startSquid(join(place, 'squid'), PROXY);
  onTestFinished(() => squid.stop());

  await writeFile(
    world.distro.repoFile,
    `[mini] # behind the company's proxy
name=Mini
baseurl="https://localhost:${repository.port}"
gpgcheck=0
username=${REPO.user}
password=${REPO.password}
sslcacert=${ca.ca}
proxy=http://127.0.0.1:${squid.port}
proxy_username=${PROXY.user}
proxy_password=${PROXY.password}
`,
  );
  const url = `https://localhost:${published.port}`;
  const config = (await readFile(world.config, 'utf8')).replace(
    /\{type: directory, .*\}/,
    `{type: directory, path: ${world.published}, url: '${url}', ca-file: ${ca.ca}}`,
  );
  await writeFile(world.config, config);
  const login = `${PROXY.user}:${encodeURIComponent(PROXY.password)}`;
  const env = { https_proxy: `http://${login}@127.0.0.1:${squid.port}`, no_proxy: '' };
  const nightly = (...args: string[]) => runCli(dir, args, env);

  const night = await nightly('nightly');
  expect([night.code, night.stderr]).toEqual([0, expect.any(String)]);
  const verified = await nightly('verify');
  expect([verified.code, verified.stdout]).toEqual([0, expect.any(String)]);
  expect((await nightly('doctor')).stdout).not.toMatch(/does not answer/);

  const through = await readFile(squid.log, 'utf8');
  for (const port of [repository.port, published.port]) {
    expect(through).toMatch(new RegExp(`TCP_TUNNEL/200 \\d+ CONNECT localhost:${port} nightly`));
  }
  // Nothing went past the proxy: who was not let through by it is not in the servers' logs.
  const texts = [night, verified].flatMap(({ stdout, stderr }) => [stdout, stderr]);
  for (const file of await filesBelow(join(dir, 'work', 'builds'))) {
    if (/\.(log|json|ndjson|txt)$/.test(file)) texts.push(await readFile(join(dir, 'work', 'builds', file), 'utf8'));
  }
  for (const secret of [REPO.password, PROXY.password, encodeURIComponent(PROXY.password)]) {
    expect(texts.filter((text) => text.includes(secret))).toEqual([]);
  }

  // The same without the certificate: the reason is told as what it is, with whose it is.
  await run('sed', ['-i', '/sslcacert/d', world.distro.repoFile]);
  const refused = await nightly('nightly', '--force');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/Repository "mini" cannot be read: .*certificate is not trusted/);
  await run('sed', [
    '-i',
    `s/^proxy_password=.*/proxy_password=wrong-one/; $ a sslcacert=${ca.ca}`,
    world.distro.repoFile,
  ]);
  const stopped = await nightly('nightly', '--force');
  expect(stopped.stderr).toMatch(/Repository "mini" cannot be read: .*407/);
});
