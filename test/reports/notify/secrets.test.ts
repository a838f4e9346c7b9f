import { readFileSync } from 'node:fs';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { filesBelow } from '../../../src/base/files.ts';
import { everyCase } from '../../support/every-case.ts';
import { type HttpLog, startHttpLog } from '../../support/http-log.ts';
import { startMosquitto, type TestBroker } from '../../support/mosquitto.ts';
import { serveFolder } from '../../support/nginx.ts';
import { makeFileKey, PASSPHRASE } from '../../support/openpgp-key.ts';
import { type SmtpLog, startSmtpLog } from '../../support/smtp-login.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { type CliResult, makeWorld, runCli, type World } from '../../support/world.ts';

/** One of each kind; all differ, so that what is found names the hole. */
const PLANTED = {
  passphraseEnv: PASSPHRASE,
  passphraseFile: 'planted-file-passphrase-91c2',
  releaseMail: 'planted-release-mail-3b77',
  mail: 'planted-mail-0f1d',
  hook: 'planted-hook-5cc8-and-more-of-it',
  token: 'syt_planted_token_e4e4',
  mqtt: 'planted-mqtt-aa01',
  repo: 'planted-repo-6d6d/%',
  awsEnv: 'planted+aws/env==77',
  awsFile: 'planted+aws/file==78',
  header: 'planted-header-token-1212',
} as const;

const REPO_IN_URL = encodeURIComponent(PLANTED.repo);

/** A program in the place of ostree that, when it is to commit, prints all it can and fails. */
const LEAKY_OSTREE = (secrets: string): string => `#!/bin/sh
case " $* " in *" commit "*) ;; *) exec /usr/bin/ostree "$@" ;; esac
for out in 1 2; do
  {
    env
    echo "$0 $@"
    cat ${secrets}
    echo "> Authorization: Bearer ${PLANTED.header}"
    printf '{"headers":{"authorization":"Basic %s"}}\\n' "$(printf 'user:${PLANTED.header}' | base64)"
    echo "fatal: unable to access 'http://mirror:${REPO_IN_URL}@127.0.0.1/x': 401"
    # Slowly, in pieces.
    printf 'pass'; sleep 0.1; printf 'phrase ${PLANTED.passphraseFile.slice(0, 11)}'; sleep 0.3; echo '${PLANTED.passphraseFile.slice(11)}'
  } >&$out
done
exit 1
`;

interface Bed {
  readonly world: World;
  readonly hook: HttpLog;
  readonly room: HttpLog;
  readonly smtp: SmtpLog;
  readonly broker: TestBroker;
  nightly(how: { readonly leaky: boolean }, ...args: readonly string[]): Promise<CliResult>;
}

async function makeBed(): Promise<Bed> {
  const dir = temporaryFolder();
  const world = await makeWorld(dir, { signed: true });
  onTestFinished(() => world.stop());
  const mirror = await serveFolder({ root: world.distro.repoDir });
  onTestFinished(() => mirror.stop());
  await world.distro.writeRepoFile({ baseurl: mirror.url.replace('//', `//mirror:${REPO_IN_URL}@`) });
  const key = await makeFileKey(dir, { seconds: 10 * 86_400 });
  const secret = async (name: keyof typeof PLANTED): Promise<string> => {
    await writeFile(join(dir, `${name}.secret`), `${PLANTED[name]}\n`, { mode: 0o600 });
    return join(dir, `${name}.secret`);
  };
  const [hook, room] = [await startHttpLog(), await startHttpLog()];
  const smtp = await startSmtpLog({ login: { user: 'night', password: PLANTED.mail } });
  const broker = await startMosquitto(dir, { password: PLANTED.mqtt });
  const events = 'events: [complete, failed]';
  await appendFile(
    world.config,
    `    signing: {type: openpgp, key-file: ${key.keyFile}, passphrase-env: NIGHT_PASSPHRASE}
  release:
    promotes-from: nightly
    ref: mini/x86_64/release
    targets: [buildlogs]
    images: [generic-cloud]
    smoke-test: {}
    signing: {type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${await secret('passphraseFile')}}
    release:
      tree: [buildlogs]
      mail: {from: a@example.org, to: [b@example.org], smtp: {host: 127.0.0.1, user: x, password-file: ${await secret('releaseMail')}}}
notify:
  - {type: webhook, url: '${hook.url}/hook', secret-file: ${await secret('hook')}}
  - {type: matrix, homeserver: '${room.url}', room: '!r:example.org', access-token-file: ${await secret('token')}, ${events}}
  - {type: mqtt, url: '${broker.url}', username: nightly, password-file: ${await secret('mqtt')}}
  - type: mail
    from: night@example.org
    to: [sig@example.org]
    ${events}
    smtp: {host: 127.0.0.1, port: ${smtp.port}, security: none, user: night, password-file: ${await secret('mail')}}
`,
  );
  const bin = join(dir, 'leaky-bin');
  await mkdir(bin);
  await writeFile(join(dir, 'all-secrets'), `${Object.values(PLANTED).slice(0, -1).join('\n')}\n`);
  await writeFile(join(bin, 'ostree'), LEAKY_OSTREE(join(dir, 'all-secrets')), { mode: 0o755 });
  await writeFile(join(dir, 'aws'), `[default]\naws_secret_access_key = ${PLANTED.awsFile}\n`);
  const env = {
    NIGHT_PASSPHRASE: PLANTED.passphraseEnv,
    AWS_SECRET_ACCESS_KEY: PLANTED.awsEnv,
    AWS_SHARED_CREDENTIALS_FILE: join(dir, 'aws'),
  };
  const nightly: Bed['nightly'] = ({ leaky }, ...args) =>
    runCli(dir, args, { ...env, ...(leaky ? { PATH: `${bin}:${process.env['PATH']}` } : {}) });
  return { world, hook, room, smtp, broker, nightly };
}

/** Which of the planted secrets are in a text, in any of the forms they were printed in. */
function found(text: string): string[] {
  return Object.entries(PLANTED).flatMap(([name, value]) =>
    [
      value,
      encodeURIComponent(value),
      JSON.stringify(value).slice(1, -1),
      Buffer.from(`user:${value}`).toString('base64'),
    ].some((form) => text.includes(form))
      ? [name]
      : [],
  );
}

/** Files below a folder that hold one of them. The copy of the treefile has the .repo files as they are, and is never published. */
async function leaks(folder: string, except = /^$/): Promise<string[]> {
  const names = (await filesBelow(folder)).filter((name) => !except.test(name));
  return names.flatMap((name) => {
    const secrets = found(readFileSync(join(folder, name), 'latin1'));
    return secrets.length === 0 ? [] : [`${name}: ${secrets.join(', ')}`];
  });
}

test('I11: no secret in what a night prints, keeps, publishes or tells, also when a program prints them all and fails', async () => {
  const { world, hook, room, smtp, broker, nightly } = await makeBed();
  const good = await nightly({ leaky: false }, '--log-format', 'json', 'nightly');
  expect(good.code, good.stderr).toBe(0);
  await world.distro.bump('app');
  const bad = await nightly({ leaky: true }, 'nightly');
  expect(bad.code, bad.stderr).toBe(1);
  const again = await nightly({ leaky: true }, '--log-format', 'json', 'resume', '--json');
  expect(again.code).toBe(1);
  const log = await nightly({ leaky: false }, 'log', /Starting build (\S+)/.exec(bad.stderr)?.[1] ?? '', 'compose');

  // It did print them, and the log kept the rest of what it said.
  expect(log.stdout).toContain('NIGHTLY');
  expect(log.stdout).toContain('AWS_SECRET_ACCESS_KEY=***');
  expect(log.stdout).toContain('> Authorization: ***');
  expect(log.stdout).toContain("unable to access 'http://mirror:***@127.0.0.1/x'");
  expect(log.stdout.split('***').length).toBeGreaterThan(20);

  for (const { stdout, stderr } of [good, bad, again, log]) expect(found(stdout + stderr)).toEqual([]);
  const work = join(world.dir, 'work');
  expect(await leaks(work, /^(builds\/[^/]+\/[^/]+\/treefile\/)/)).toEqual([]);
  expect(await leaks(world.published)).toEqual([]);
  const told = [...hook.requests, ...room.requests].map(({ path, body }) => `${path} ${body}`);
  expect(told.length).toBeGreaterThan(6);
  expect(
    found([...told, ...broker.heard, ...smtp.lines.filter((line) => !line.startsWith('AUTH'))].join('\n')),
  ).toEqual([]);
  expect(told.join('\n')).toContain('"type":"failed"');
  // The key has ten days left: told by the first of the three runs alone.
  expect(told.filter((text) => text.includes('"type":"key-expiring"'))).toHaveLength(1);
  // The .repo file works with its password: the night was composed from there.
  expect(await readFile(world.distro.repoFile, 'utf8')).toContain(REPO_IN_URL);
});

test.runIf(everyCase)(
  'I11: a mirror that refuses, and sinks that echo what they were sent, are told of without secrets',
  async () => {
    const { world, hook, room, nightly } = await makeBed();
    await world.distro.writeRepoFile({ baseurl: `http://mirror:${REPO_IN_URL}@127.0.0.1:59999/x` });
    for (const server of [hook, room]) {
      server.answer = ({ headers, body }) => ({
        status: 403,
        body: `you sent ${JSON.stringify(headers)} ${PLANTED.token} ${body}`,
      });
    }
    const { code, stdout, stderr } = await nightly({ leaky: false }, 'nightly');
    expect(code).toBe(1);
    expect(stderr).toMatch(/http:\/\/(mirror:\*\*\*@)?127\.0\.0\.1:59999\/x\/repodata\/repomd\.xml/);
    expect(stderr).toMatch(/notify: matrix: .*answers 403 you sent/);
    const doctor = await nightly({ leaky: false }, 'doctor');
    const tested = await nightly({ leaky: false }, 'notify', 'test');
    expect(tested).toMatchObject({ code: 1, stdout: expect.stringContaining('answers 403') });
    expect(found([stdout, stderr, doctor.stdout, doctor.stderr, tested.stdout, tested.stderr].join('\n'))).toEqual([]);
    expect(await leaks(join(world.dir, 'work'))).toEqual([]);
  },
);
