import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { everyCase } from '../support/every-case.ts';
import { testKey, withKeyOf } from '../support/mini-rpm.ts';
import { issueCertificate, makePrivateCa, serveOverTls, startSquid } from '../support/proxy-world.ts';
import { makeReleaseWorld } from '../support/release-world.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

const REPO = { user: 'builder', password: 'repository-p@ss:word' };
const PROXY = { user: 'nightly', password: 'proxy-p@ss/word' };
const SECRETS = [REPO.password, PROXY.password].flatMap((one) => [
  one,
  encodeURIComponent(one),
  Buffer.from(one).toString('base64'),
]);

test.runIf(everyCase)(
  'a night behind a proxy that asks for a login, to servers that ask for a certificate and one, with a private CA; its promotion; no password is told',
  async () => {
    const dir = temporaryFolder();
    const world = await makeReleaseWorld(dir);
    onTestFinished(() => world.stop());
    const ca = await makePrivateCa(join(dir, 'ca'));
    const beside = join(dir, 'distro/treefile/tls');
    await mkdir(beside);
    const client = await issueCertificate(ca, join(beside, 'client'), 'extendedKeyUsage=clientAuth');
    await chmod(client.key, 0o600);
    const repository = await serveOverTls(join(dir, 'repository-server'), {
      ca,
      root: world.distro.repoDir,
      login: REPO,
      clients: ca,
    });
    onTestFinished(() => repository.stop());
    const published = await serveOverTls(join(dir, 'public-server'), { ca, root: world.published });
    onTestFinished(() => published.stop());
    const place = temporaryFolder();
    await chmod(place, 0o755);
    const squid = await startSquid(join(place, 'squid'), PROXY);
    onTestFinished(() => squid.stop());

    const login = `${PROXY.user}:${encodeURIComponent(PROXY.password)}`;
    const tls = `sslcacert=${ca.ca}
sslclientcert=tls/client.pem
sslclientkey=tls/client.key
gpgcheck=1
gpgkey=RPM-GPG-KEY-mini
repo_gpgcheck=1`;
    const repomd = join(world.distro.repoDir, 'repodata/repomd.xml');
    await withKeyOf((await testKey()).home, (home) =>
      run('gpg', ['--homedir', home, '--batch', '--armor', '--detach-sign', repomd]),
    );
    await writeFile(
      world.distro.repoFile,
      `[mini] # behind the company's proxy
name=Mini
baseurl="https://localhost:${repository.port}"
username=${REPO.user}
password=${REPO.password}
proxy=http://127.0.0.1:${squid.port}
proxy_username=${PROXY.user}
proxy_password=${PROXY.password}
${tls}

[mini-too] # the same, with users and passwords in addresses
name=Mini, too
baseurl=https://${REPO.user}:${encodeURIComponent(REPO.password)}@localhost:${repository.port}/
proxy=http://${login}@127.0.0.1:${squid.port}
${tls}
`,
    );
    await world.distro.writeTreefile({ repos: ['mini', 'mini-too'] });
    const url = `https://localhost:${published.port}`;
    const config = (await readFile(world.config, 'utf8')).replaceAll(
      /\{type: directory, path: (\S+), url: '\S+?:\d+/g,
      `{type: directory, path: $1, ca-file: ${ca.ca}, url: '${url}`,
    );
    await writeFile(world.config, config);
    const env = { https_proxy: `http://${login}@127.0.0.1:${squid.port}`, no_proxy: '' };
    const nightly = (...args: string[]) => watched(() => runCli(dir, args, env));

    const night = await nightly('nightly', '--json');
    expect([night.code, night.stderr]).toEqual([0, expect.any(String)]);
    // The agent that dnf's check of the metadata started has ended with the run (K20).
    expect([...seenCommands].some((line) => line.startsWith('gpg-agent') && line.includes(join(dir, 'work')))).toBe(
      true,
    );
    await expect.poll(() => agentsBelow(dir), { timeout: 10_000 }).toEqual([]);
    const verified = await nightly('verify', 'buildlogs');
    expect([verified.code, verified.stdout]).toEqual([0, expect.any(String)]);

    const through = await readFile(squid.log, 'utf8');
    for (const port of [repository.port, published.port]) {
      expect(through).toMatch(new RegExp(`TCP_TUNNEL/200 \\d+ CONNECT localhost:${port} nightly`));
    }

    // Nothing is here any more: a promotion fetches by the login of today, for the copy of the treefile has none.
    for (const file of await filesBelow(join(dir, 'work/cache')))
      if (file.endsWith('.rpm')) await rm(join(dir, 'work/cache', file));
    const promoted = await nightly('promote', JSON.parse(night.stdout).build, '--json');
    expect([promoted.code, promoted.stderr]).toEqual([0, expect.any(String)]);
    const updates = await nightly('show', JSON.parse(night.stdout).build, '--json');
    expect(JSON.parse(updates.stdout)['atomic-nightly.updates-since']).toMatchObject({ newer: [] });

    // Nothing went past the proxy: who was not let through by it is not in the servers' logs.
    const told = [night, verified, promoted, updates].flatMap(({ stdout, stderr }) => [stdout, stderr]);
    expect(told.filter(hasSecret)).toEqual([]);
    for (const place of [join(dir, 'work'), world.published])
      for (const file of await filesBelow(place))
        expect([file, hasSecret(await readFile(join(place, file), 'latin1'))]).toEqual([file, false]);
    expect([...seenCommands].filter(hasSecret)).toEqual([]);
    expect([...seenCommands].some((line) => line.includes('depsolve.py'))).toBe(true);

    await rm(client.key);
    const keyless = await nightly('nightly', '--force');
    expect(keyless.stderr).toMatch(
      /Repository "mini(-too)?": sslclientkey=\S+tls\/client\.key cannot be read: no such file/,
    );
    expect(keyless.stderr).toContain('mini.repo:');
  },
);

const hasSecret = (text: string): boolean => SECRETS.some((secret) => text.includes(secret));

function agentsBelow(folder: string): string[] {
  const lines = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(commandLine);
  return lines.filter((line) => line.startsWith('gpg-agent') && line.includes(folder));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    // It has ended.
    return '';
  }
}

/** Command lines that were seen while something ran: what ps shows to everybody. */
const seenCommands = new Set<string>();

async function watched<Result>(work: () => Promise<Result>): Promise<Result> {
  const look = setInterval(() => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) seenCommands.add(commandLine(pid));
  }, 20);
  try {
    return await work();
  } finally {
    clearInterval(look);
  }
}
