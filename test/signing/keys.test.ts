import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { sha256File } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { gpgStopAgent } from '../../src/programs/gpg.ts';
import { checkSignatures, importKeys } from '../../src/programs/rpm.ts';
import { keptSigner } from '../../src/signing/kept.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { sign } from '../../src/steps/deliver/sign.ts';
import { BASE_RECIPES } from '../support/mini-recipes.ts';
import { buildMiniRpm } from '../support/mini-rpm.ts';
import { gpgv, makeFileKey } from '../support/openpgp-key.ts';
import { commitTestTree, makeRepo, TEST_REF, testTree } from '../support/ostree-repo.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { program, runCli } from '../support/world.ts';

const WORDS = 'planted words 9c2e';
const DAY = 86_400;

async function generate(dir: string, ...more: string[]) {
  await writeFile(join(dir, 'words'), `${WORDS}\n`, { mode: 0o600 });
  const who = ['--name', 'Atomic SIG', '--email', 'atomic@example.org'];
  return runCli(dir, ['keys', 'generate', ...who, '--passphrase-file', 'words', '--out', 'made', ...more]);
}

for (const [algorithm, kind] of [
  ['rsa4096', /^4096$/],
  ['ed25519', /^255$/],
] as const) {
  it(`a generated ${algorithm} key is taken by gpg, gpgv, ostree and rpm`, async () => {
    const dir = temporaryFolder();
    const task = testTask(dir);
    const made = await generate(dir, '--algorithm', algorithm, '--expires', '2y');
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Key [0-9A-F]{40}$/m) });
    expect(made.stdout + made.stderr).not.toContain('planted');
    const file = (end: string) => join(dir, 'made', `signing.${end}`);
    expect((await stat(file('key'))).mode & 0o777).toBe(0o600);
    const key = { type: 'openpgp', keyFile: file('key'), passphrase: { file: join(dir, 'words') } } as const;
    const signer = keptSigner(openSigner(key), join(dir, 'kept'));

    // gpg: both halves; what it says of the key.
    const home = join(dir, 'home');
    await mkdir(home, { mode: 0o700 });
    onTestFinished(() => gpgStopAgent(home, task));
    const unlocked = ['--batch', '--pinentry-mode', 'loopback', '--passphrase-file', join(dir, 'words')];
    const gpg = (...args: string[]) => run('gpg', ['--homedir', home, ...unlocked, ...args]);
    await gpg('--import', file('key'));
    const listing = (await gpg('--with-colons', '--list-secret-keys')).stdout;
    const [, , bits = '', , , , expires = ''] = /^sec:.*$/m.exec(listing)?.[0].split(':') ?? [];
    expect(bits).toMatch(kind);
    expect(Math.round((Number(expires) - Date.now() / 1000) / DAY)).toBe(730);
    expect(listing).toContain('Atomic SIG <atomic@example.org>');

    await writeFile(join(dir, 'record'), 'a record');
    await writeFile(join(dir, 'record.sig'), await signer.sign(Buffer.from('a record'), task));
    expect(await gpgv(file('gpg'), join(dir, 'record.sig'), join(dir, 'record'))).toMatchObject({ code: 0 });
    await gpg('--verify', join(dir, 'record.sig'), join(dir, 'record'));
    // A file goes another way through openpgp.js: as a stream, which it signs by the hash alone.
    await writeFile(join(dir, 'image'), Buffer.alloc(5_000_000, 'image '));
    const image = { file: join(dir, 'image'), sha256: await sha256File(join(dir, 'image')) };
    await writeFile(join(dir, 'image.sig'), await signer.sign(image, task));
    expect(await gpgv(file('gpg'), join(dir, 'image.sig'), image.file)).toMatchObject({ code: 0 });

    // ostree: a client with the public key alone.
    const repo = await makeRepo(dir);
    const commit = await commitTestTree({ repo, tree: testTree(3) });
    await sign(repo, commit, signer, task);
    await run('ostree', [`--repo=${repo}`, 'refs', `--create=${TEST_REF}`, commit]);
    const client = join(dir, 'client');
    await run('ostree', [`--repo=${client}`, 'init', '--mode=bare-user']);
    await run('ostree', [`--repo=${client}`, 'remote', 'add', `--gpg-import=${file('asc')}`, 'o', `file://${repo}`]);
    await run('ostree', [`--repo=${client}`, 'pull', 'o', TEST_REF]);

    // rpm: a package signed with it, checked with the public key alone.
    const [recipe] = BASE_RECIPES;
    if (!recipe) throw new Error('there is no recipe');
    const rpm = join(dir, 'signed.rpm');
    await copyFile(await buildMiniRpm(recipe), rpm);
    const extra = `_gpg_sign_cmd_extra_args ${unlocked.join(' ')}`;
    const defines = ['__gpg /usr/bin/gpg', `_gpg_path ${home}`, '_gpg_name atomic@example.org', extra];
    await run('rpmsign', [...defines.flatMap((one) => ['--define', one]), '--addsign', rpm], { env: { HOME: dir } });
    await mkdir(join(dir, 'rpmdb'));
    await importKeys(join(dir, 'rpmdb'), [file('asc')], dir, task);
    expect(await checkSignatures(join(dir, 'rpmdb'), [rpm], dir, task)).toEqual([]);

    // Never overwritten; and the revocation that came along revokes it.
    const before = await readFile(file('key'));
    expect(await generate(dir)).toMatchObject({ code: 2, stderr: expect.stringContaining('never overwritten') });
    expect(await readFile(file('key'))).toEqual(before);
    const revocation = (await readFile(file('rev'), 'utf8')).replace(':-----BEGIN', '-----BEGIN');
    await writeFile(join(dir, 'revoke'), revocation);
    await gpg('--import', join(dir, 'revoke'));
    expect((await gpg('--with-colons', '--list-keys')).stdout).toMatch(/^pub:r:/m);
  });
}

it('keys generate refuses what makes no sense, before it makes anything', async () => {
  const dir = temporaryFolder();
  const faults: [string[], RegExp][] = [
    [['--expires', '3 years'], /"3 years" must be a whole number with d, w or y/],
    [['--email', 'nobody'], /"nobody" is not an e-mail address/],
    [['--algorithm', 'dsa'], /rsa4096, ed25519/],
    [['--passphrase-env', 'ALSO'], /give one of them/],
  ];
  for (const [args, message] of faults) {
    expect(await generate(dir, ...args)).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
  }
  const lines = join(dir, 'lines');
  await writeFile(lines, 'two\nlines\n', { mode: 0o600 });
  const who = ['--name', 'A', '--email', 'a@example.org', '--out', 'made', '--passphrase-file', lines];
  expect(await runCli(dir, ['keys', 'generate', ...who])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('more than one line'),
  });
  await expect(stat(join(dir, 'made'))).rejects.toMatchObject({ code: 'ENOENT' });
});

/** A configuration whose streams sign with these, as written. */
async function writeConfig(dir: string, streams: Readonly<Record<string, string>>): Promise<void> {
  await writeFile(join(dir, 'host.yaml'), 'ref: mini/x86_64/nightly\npackages: [bash]\n');
  const lines = Object.entries(streams).map(
    ([name, signing]) => `  ${name}: {treefile: host.yaml, ref: 'mini/${name}', targets: [web], signing: ${signing}}`,
  );
  const target = `targets:\n  web: {type: directory, path: ./www, url: 'http://127.0.0.1:1'}\n`;
  await writeFile(
    join(dir, 'atomic-nightly.yaml'),
    `name: mini\nengine: dnf\n${target}streams:\n${lines.join('\n')}\n`,
  );
}

it('keys show tells each key, who uses it and how long it lasts; doctor warns too; one that cannot sign gives exit code 1', async () => {
  const dir = temporaryFolder();
  const good = await makeFileKey(dir, { name: 'good', seconds: 400 * DAY });
  const soon = await makeFileKey(dir, { name: 'soon', seconds: 59 * DAY });
  const text = (key: typeof good) =>
    `{type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}`;
  await writeConfig(dir, { nightly: text(good), release: `[${text(good)}, ${text(soon)}]` });
  const shown = await runCli(dir, ['keys', 'show', '--json']);
  expect(shown.code).toBe(0);
  expect(JSON.parse(shown.stdout)).toMatchObject([
    {
      fingerprint: good.fingerprint,
      userId: 'good <good@example.org>',
      algorithm: 'ed25519Legacy',
      daysLeft: 399,
      streams: ['nightly', 'release'],
      targets: ['web'],
    },
    { fingerprint: soon.fingerprint, daysLeft: 58, streams: ['release'], warning: expect.stringContaining('58 days') },
  ]);
  const forPeople = await runCli(dir, ['keys', 'show']);
  const [head, ...rows] = forPeople.stdout.split('\n');
  expect(head).toMatch(/^STATE +KEY +KIND +MADE +EXPIRES +USED BY +USER ID +FROM$/);
  // Each cell begins below its header.
  expect(rows.map((row) => row.slice(head?.indexOf('USER ID')))).toEqual(
    expect.arrayContaining([expect.stringMatching(/^good <good@example\.org> /), expect.stringMatching(/^soon </)]),
  );
  expect(rows[0]).toMatch(/^ok +.* 399 days left +streams nightly, release; targets web +good </);
  expect(rows[1]).toMatch(new RegExp(`^warning +${soon.fingerprint} `));
  expect(rows[2]).toMatch(/^warning: key .* expires in 58 days, .*\. Begin a rotation: /);
  const doctor = JSON.parse((await runCli(dir, ['doctor', '--json'])).stdout);
  const programs = doctor.checks.map(({ name }: { name: string }) => name);
  expect(programs).toContain('gpgv');
  expect(programs).not.toContain('gpg');
  const keys = doctor.checks.filter(({ name }: { name: string }) => name.startsWith('signing key'));
  expect(keys).toMatchObject([
    { name: 'signing key of nightly, release', state: 'ok', detail: expect.stringContaining('399 days left') },
    { name: 'signing key of release', state: 'note', detail: expect.stringContaining('rotation') },
  ]);

  const expired = await makeFileKey(dir, { name: 'expired', made: new Date('2026-01-01'), seconds: 30 * DAY });
  await writeConfig(dir, { nightly: text(expired), release: text({ ...good, keyFile: join(dir, 'nothing') }) });
  const bad = await runCli(dir, ['keys', 'show']);
  expect(bad.code).toBe(1);
  expect(bad.stdout).toMatch(/^not ok: \S+ has expired on 2026-01-31, so nothing is built/m);
  expect(bad.stdout).toMatch(/private key .*nothing is not there/);
  const unwell = JSON.parse((await runCli(dir, ['doctor', '--json'])).stdout);
  const states = unwell.checks.flatMap(({ name, state }: { name: string; state: string }) =>
    name.startsWith('signing key') ? [state] : [],
  );
  expect(states).toEqual(['missing', 'missing']);
  await expect(stat(join(dir, 'work'))).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await runCli(dir, ['nightly', 'nightly'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /error: atomic-nightly\.yaml:\d+:\d+: The key .* has expired on 2026-01-31\.\n {2}what to do: Nothing was done\./,
    ),
  });
  await expect(stat(join(dir, 'work'))).rejects.toMatchObject({ code: 'ENOENT' });
});

it('K19: a folder whose path is too long for the sockets of gpg-agent is named, with how long it may be', async () => {
  const dir = join(temporaryFolder(), 'long'.repeat(20));
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'words'), `${WORDS}\n`, { mode: 0o600 });
  const args = ['--name', 'A', '--email', 'a@example.org', '--passphrase-file', 'words', '--out', 'made'];
  // Without a folder of the user's in /run/user the sockets are where the keys are.
  const script = 'mount -t tmpfs none /run && exec "$@"';
  const command = [
    'unshare',
    '--mount',
    'sh',
    '-c',
    script,
    'sh',
    process.execPath,
    program,
    'keys',
    'generate',
    ...args,
  ];
  const [name = '', ...rest] = command;
  const made = await run(name, rest, { cwd: dir, env: { TMPDIR: dir }, okExitCodes: [0, 1, 2] });
  expect(made.stderr).toMatch(
    /^error: The path of the GnuPG home .*long\/.* is too long: gpg-agent cannot make its sockets/m,
  );
  expect(made.stderr).toMatch(/It has \d+ bytes; 87 are possible/);
  expect(made.exitCode).toBe(2);
});
