import { mkdtempSync, rmSync } from 'node:fs';
import { chmod, cp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../../src/base/free-port.ts';
import { signaturesIn } from '../../../src/ostree/commit-signatures.ts';
import { objectPath } from '../../../src/ostree/objects.ts';
import { run } from '../../../src/programs/exec.ts';
import { gpgStopAgent } from '../../../src/programs/gpg.ts';
import { fillDisk, mountTmpfs } from '../../support/mounts.ts';
import { commitTestTree, TEST_REF, TEST_TIME, type TestCommit } from '../../support/ostree-repo.ts';
import { pushHere } from '../../support/push-here.ts';
import { launchReceiver, type Receiver } from '../../support/receiver.ts';
import { makeKey, type TestKey } from '../../support/signing-key.ts';
import { testTask } from '../../support/tmp.ts';
import type { CliResult } from '../../support/world.ts';

/** A repository as on somebody's workstation, a receiver behind a real sshd, and keys: theirs, a stranger's, the far side's. */
let dir = '';
let repo = '';
let receiver: Receiver;
let ours: TestKey;
let stranger: TestKey;
let operator: TestKey;
let hook = '';

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-receive-'));
  repo = join(dir, 'mine');
  await run('ostree', ['init', `--repo=${repo}`, '--mode=bare-user']);
  ours = await makeKey(join(dir, 'ours'));
  stranger = await makeKey(join(dir, 'stranger'));
  operator = await makeKey(join(dir, 'operator'));
  receiver = await launchReceiver(join(dir, 'far'), ['alice', 'bob']);
  hook = join(dir, 'hook');
  // Everything that it is given is there: the pushed commit, in a repository that `ostree` reads.
  const script = [
    '#!/bin/sh',
    'while read -r ref old new; do',
    '  ostree --repo="$ATOMIC_NIGHTLY_REPO" ls "$new" / > /dev/null || exit 1',
    '  echo "$ATOMIC_NIGHTLY_PUSHER $ref $old $new" >> "$0.seen"',
    '  case $ref in */forbidden) printf "not before \\033[31mMonday\\n"; exit 3;; esac',
    'done',
    'echo welcome',
  ];
  await writeFile(hook, `${script.join('\n')}\n`);
  await chmod(hook, 0o755);
  await receiver.allow({
    alice: {
      refs: ['test/*', 'race/*'],
      'verify-keys': [ours.publicKeyFile],
      hook: [hook],
      sign: { type: 'gpg-agent', home: operator.home, key: operator.key },
      quota: { push: '1M', all: '10M' },
    },
    bob: {
      refs: ['race/*', 'bob/*'],
      sign: { type: 'gpg-agent', home: operator.home, key: operator.key },
      quota: { push: '20K' },
    },
  });
}, 120_000);

afterAll(async () => {
  await receiver.stop();
  for (const key of [ours, stranger, operator]) await gpgStopAgent(key.home, testTask(dir));
  rmSync(dir, { recursive: true, force: true });
});

const push = (name: string, ...args: readonly string[]): Promise<CliResult> =>
  pushHere(['--repo', repo, ...receiver.as(name), ...args, receiver.url]);

/** Commits, signs, and has the ref name it. */
async function commit(what: Omit<TestCommit, 'repo'>, key: TestKey | null = ours): Promise<string> {
  const made = await commitTestTree({ repo, ...what });
  await run('ostree', ['refs', `--repo=${repo}`, '--force', `--create=${what.ref ?? TEST_REF}`, made]);
  if (key) await run('ostree', [`--repo=${repo}`, 'gpg-sign', `--gpg-homedir=${key.home}`, made, key.key]);
  return made;
}

/** What is on the far side, but for what is remembered of accepted pushes: path, size and time of change. */
async function there(): Promise<string[]> {
  const names = await readdir(receiver.root, { recursive: true });
  const lines = names.sort().map(async (name) => {
    const { size, mtimeMs } = await stat(join(receiver.root, name));
    return `${name} ${size} ${mtimeMs}`;
  });
  return (await Promise.all(lines)).filter((line) => /^repo\/(objects|refs|summary|deltas|config)/.test(line));
}

const staged = async (): Promise<string[]> => {
  const names = await readdir(join(receiver.root, '.atomic-nightly-receive'));
  return names.filter((name) => name.startsWith('atomic-nightly-'));
};

async function refused(result: Promise<CliResult>, ...words: readonly string[]): Promise<void> {
  const before = await there();
  const { code, stderr } = await result;
  expect(code, stderr).not.toBe(0);
  for (const word of words) expect(stderr).toContain(word);
  expect(stderr).not.toMatch(/resume|a fault in atomic-nightly/);
  expect(await there()).toEqual(before);
  expect(await staged()).toEqual([]);
}

const succeeded = ({ code, stderr }: CliResult) => expect(code, stderr).toBe(0);
const farRef = async (ref: string) => (await readFile(join(receiver.root, 'repo/refs/heads', ref), 'utf8')).trim();

function sshAccess() {
  const { sshd } = receiver;
  const identity = receiver.as('alice')[1] ?? '';
  const options = [
    '-F',
    '/dev/null',
    '-i',
    identity,
    '-o',
    `UserKnownHostsFile=${sshd.knownHostsFile}`,
    '-o',
    'BatchMode=yes',
  ];
  return { options, port: String(sshd.port) };
}

it('a full disk of the far side is named with its place, nothing stays, and the push is in once there is room', async () => {
  const far = join(dir, 'full');
  await mountTmpfs(join(far, 'srv'), 'size=2M');
  const small = await launchReceiver(far, ['carol']);
  onTestFinished(() => small.stop());
  await small.allow({ carol: { refs: ['test/*'] } });
  const carol = () => pushHere(['--repo', repo, ...small.as('carol'), TEST_REF, small.url]);
  await commit({ tree: { full: 'x' } });
  fillDisk(small.root);
  const { code, stderr } = await carol();
  expect(code).toBe(1);
  expect(stderr).toContain(`refused the push: The disk is full at ${small.root}`);
  expect(stderr).toContain('Have its operator free some space there');
  await rm(join(small.root, 'filler'));
  succeeded(await carol());
});

describe('a push to an account that only takes pushes', () => {
  it('is accepted from a bare-user repository, signed there as well, and served to clients that verify', async () => {
    const first = await commit({ tree: { a: '1', 'usr/b': '2' } });
    succeeded(await push('alice', TEST_REF));
    const second = await commit({ tree: { a: '1', 'usr/b': '3' }, parent: first, timestamp: TEST_TIME + 1 });
    const result = await push('alice', TEST_REF, '--json');
    succeeded(result);
    // One file, two folders, the commit and its signatures.
    expect(JSON.parse(result.stdout).refs).toMatchObject([{ ref: TEST_REF, from: first, to: second, files: 5 }]);
    expect(signaturesIn(await readFile(join(receiver.root, 'repo', objectPath(second, 'commitmeta'))))).toHaveLength(2);
    const client = join(dir, 'client');
    await run('ostree', ['init', `--repo=${client}`, '--mode=bare-user']);
    const trust = [`--gpg-import=${operator.publicKeyFile}`, '--set=gpg-verify-summary=true'];
    await run('ostree', ['remote', 'add', `--repo=${client}`, ...trust, 'far', `file://${receiver.root}/repo`]);
    await run('ostree', ['pull', `--repo=${client}`, 'far', TEST_REF]);
    expect((await run('ostree', ['rev-parse', `--repo=${client}`, `far:${TEST_REF}`])).stdout.trim()).toBe(second);
    const lines = (await readFile(receiver.log, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({
      name: 'alice',
      from: '127.0.0.1',
      verdict: 'accepted',
      refs: [{ ref: TEST_REF, old: first, new: second }],
    });
    expect(await readFile(`${hook}.seen`, 'utf8')).toContain(`alice ${TEST_REF} ${first} ${second}\n`);
    // Again: nothing to do, and no fault.
    succeeded(await push('alice', TEST_REF));
    expect(await staged()).toEqual([]);
  });

  it('is refused for what the name may not do, and nothing stays', async () => {
    await commit({ tree: { x: '1' }, ref: 'other/ref' });
    await refused(push('alice', 'other/ref'), 'alice may not push other/ref', 'test/*, race/*');
    await commit({ tree: { x: '2' }, ref: 'test/more' });
    await refused(push('alice', 'test/more', '--deltas'), 'may not ask for "deltas"');
    await refused(push('alice', 'test/more', '--prune-to', '1'), 'may not ask for "prune"');
    await refused(push('alice', 'test/more', '--force-older'), 'may not ask for "older"');
    await refused(push('alice', 'test/more', '--tag', 'other/tag'), 'may not push other/tag');
    await commit({ tree: { x: '3' }, ref: 'test/forbidden' });
    await refused(push('alice', 'test/forbidden'), 'The hook said no: not before', 'Monday');
    await commit({ tree: { x: Array.from({ length: 20_000 }, (_, n) => n * n * n).join('') }, ref: 'bob/large' });
    await refused(push('bob', 'bob/large'), 'bob may push 20.5 kB at once');
  });

  it('is refused for what is wrong with the commit, and nothing stays', async () => {
    const at = await farRef(TEST_REF);
    await commit({ tree: { y: '1' }, parent: at, timestamp: TEST_TIME + 10 }, null);
    await refused(push('alice', TEST_REF), 'is not signed');
    await commit({ tree: { y: '2' }, parent: at, timestamp: TEST_TIME + 10 }, stranger);
    await refused(push('alice', TEST_REF), 'None of the keys that count here');
    await commit({ tree: { y: '3' }, timestamp: TEST_TIME - 10 });
    await refused(push('alice', TEST_REF), 'is not newer', 'back in time');
    await commit({ tree: { y: '4' }, parent: at, timestamp: Math.floor(Date.now() / 1000) + 10 * 86_400 });
    await refused(push('alice', TEST_REF), 'in the future');
    const made = await commit({ tree: { y: '5' }, parent: at, timestamp: TEST_TIME + 10 });
    await run('ostree', ['refs', `--repo=${repo}`, '--force', '--create=test/unbound', made]);
    await refused(push('alice', 'test/unbound'), 'was made for');
    // A bit flipped on a disk: only the far side looks at what an archive repository has.
    const flipped = join(dir, 'flipped');
    await run('ostree', ['init', `--repo=${flipped}`, '--mode=archive']);
    await run('ostree', ['pull-local', `--repo=${flipped}`, repo, TEST_REF]);
    const objects = (await readdir(join(flipped, 'objects'), { recursive: true })).filter((name) =>
      name.endsWith('.filez'),
    );
    const path = join(flipped, 'objects', objects[0] ?? '');
    const bytes = await readFile(path);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 3) ^ 4, bytes.length - 3);
    await writeFile(path, bytes);
    await refused(push('alice', TEST_REF, '--repo', flipped), 'is damaged');
    expect(await farRef(TEST_REF)).toBe(at);
  });

  it('takes nothing else: no command, no shell, no sftp, no scp, no forwarding', async () => {
    const { options, port } = sshAccess();
    const tried = async (command: string, args: readonly string[]) => {
      const any = { okExitCodes: Array.from({ length: 256 }, (_, code) => code), timeoutMs: 60_000 };
      const { exitCode, stderr } = await run(command, args, any);
      expect(exitCode).not.toBe(0);
      return stderr;
    };
    const target = 'root@127.0.0.1';
    for (const command of [['id'], ['sh -c id'], ['atomic-nightly receive 1; id'], []]) {
      expect(await tried('ssh', [...options, '-p', port, target, ...command])).toContain(
        'takes pushes and nothing else',
      );
    }
    await tried('ssh', [...options, '-p', port, '-s', target, 'sftp']);
    await tried('scp', [...options, '-P', port, hook, `${target}:${dir}/copied`]);
    await tried('sftp', [...options, '-P', port, '-b', '/dev/null', target]);
    expect(await readdir(dir)).not.toContain('copied');
    const local = await freePort();
    const forward = [...options, '-p', port, '-o', 'ExitOnForwardFailure=yes'];
    await tried('ssh', [...forward, '-N', '-R', `${local}:127.0.0.1:${port}`, target]);
    expect(await tried('ssh', [...options, '-p', port, '-W', `127.0.0.1:${port}`, target])).toMatch(
      /prohibited|failed/,
    );
  });

  it('has room for several at once, each for refs of its own; of two for one ref the second is told who was faster', async () => {
    const other = join(dir, 'other');
    const base = await commit({ tree: { r: '0' }, ref: 'race/same' });
    succeeded(await push('alice', 'race/same'));
    await cp(repo, other, { recursive: true });
    const next = { ref: 'race/same', parent: base, timestamp: TEST_TIME + 5 };
    await commit({ tree: { r: 'alice' }, ...next });
    await commit({ tree: { m: '1' }, ref: 'race/alice' });
    const mine = repo;
    repo = other;
    await commit({ tree: { r: 'bob' }, ...next });
    await commit({ tree: { m: '2' }, ref: 'race/bob' });
    repo = mine;
    const [a, b] = await Promise.all([push('alice', 'race/alice'), push('bob', 'race/bob', '--repo', other)]);
    succeeded(a);
    succeeded(b);
    const race = await Promise.all([push('alice', 'race/same'), push('bob', 'race/same', '--repo', other)]);
    const winner = race.findIndex(({ code }) => code === 0);
    const loser = race[1 - winner];
    expect(race.map(({ code }) => code).sort()).toEqual([0, 1]);
    // Whoever asks after the other was in hears that his commit is not newer; who was let in on the old state, who was faster.
    expect(loser?.stderr).toMatch(
      new RegExp(`${winner === 0 ? 'alice' : 'bob'} \\(at \\d{4}-.*\\) moved race/same|is not newer`),
    );
    const { stdout } = await run('ostree', ['summary', '--view', `--repo=${receiver.root}/repo`]);
    for (const ref of ['race/alice', 'race/bob', 'race/same']) expect(stdout).toContain(`* ${ref}\n`);
    await run('ostree', ['fsck', '--quiet', `--repo=${receiver.root}/repo`]);
  });
});
