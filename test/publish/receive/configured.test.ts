import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeVariant } from '../../../src/ostree/gvariant.ts';
import { objectPath } from '../../../src/ostree/objects.ts';
import { run } from '../../../src/programs/exec.ts';
import { commitTestTree, TEST_TIME, type TestCommit, testTree } from '../../support/ostree-repo.ts';
import { pushHere } from '../../support/push-here.ts';
import { launchReceiver, type Receiver } from '../../support/receiver.ts';
import { type CliResult, runCli } from '../../support/world.ts';

/** What the configuration of a receiver can say, behind a real sshd: each name has one part of it. */
let dir = '';
let repo = '';
let receiver: Receiver;
let sodium: SodiumKey;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-configured-'));
  repo = join(dir, 'mine');
  await run('ostree', ['init', `--repo=${repo}`, '--mode=archive']);
  receiver = await launchReceiver(join(dir, 'far'), ['sodium', 'roots', 'full', 'free']);
  const [own, other] = [ed25519(), ed25519()];
  sodium = own;
  const keys = join(dir, 'keys.ed25519');
  await writeFile(keys, `${other.public}\n${own.public}\n`);
  const roots = { main: join(dir, 'main'), beta: join(dir, 'beta') };
  await receiver.allow({
    sodium: { refs: ['sodium/*'], 'verify-keys': [keys] },
    roots: { refs: ['*'], root: roots },
    full: { refs: ['full/*'], quota: { all: '50K' } },
    free: { refs: ['free/*'], allow: ['older', 'deltas', 'prune'] },
  });
}, 60_000);

afterAll(async () => {
  await receiver.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface SodiumKey {
  readonly secret: KeyObject;
  /** In base64, as `ostree sign` takes it. */
  readonly public: string;
}

function ed25519(): SodiumKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { x = '' } = publicKey.export({ format: 'jwk' });
  return { secret: privateKey, public: Buffer.from(x, 'base64url').toString('base64') };
}

/** As `ostree sign --sign-type=ed25519` does (ostree-sign-ed25519.c), which Debian's ostree is built without. */
async function signWith(commit: string, ...keys: readonly SodiumKey[]): Promise<void> {
  const bytes = await readFile(join(repo, objectPath(commit, 'commit')));
  const signatures = { type: 'aay', value: keys.map(({ secret }) => sign(null, bytes, secret)) };
  const detached = encodeVariant('a{sv}', [['ostree.sign.ed25519', signatures]]);
  await writeFile(join(repo, objectPath(commit, 'commitmeta')), detached);
}

/** Commits and has the ref name it. */
async function commit(ref: string, what: Omit<TestCommit, 'repo' | 'ref'>): Promise<string> {
  const made = await commitTestTree({ repo, ref, ...what });
  await run('ostree', ['refs', `--repo=${repo}`, '--force', `--create=${ref}`, made]);
  return made;
}

const push = (name: string, ref: string, ...args: readonly string[]): Promise<CliResult> =>
  pushHere(['--repo', repo, ...receiver.as(name), ref, receiver.url, ...args]);
const far = (...path: readonly string[]): string => join(receiver.root, 'repo', ...path);
const farRef = async (ref: string) => (await readFile(far('refs/heads', ref), 'utf8')).trim();
const succeeded = ({ code, stderr }: CliResult) => expect(code, stderr).toBe(0);

describe('receive', () => {
  it('knows ed25519 signatures of ostree, one key of several, and refuses those of others', async () => {
    const ref = 'sodium/a';
    const made = await commit(ref, { tree: { a: '1' } });
    expect((await push('sodium', ref)).stderr).toContain('is not signed');
    const stranger = ed25519();
    await signWith(made, stranger);
    expect((await push('sodium', ref)).stderr).toContain('None of the keys that count here');
    expect(existsSync(far('refs/heads', ref))).toBe(false);
    await signWith(made, stranger, sodium);
    succeeded(await push('sodium', ref));
    expect(await farRef(ref)).toBe(made);
  });

  it('has several roots, by the path of the address', async () => {
    const made = await commit('roots/a', { tree: { a: 'roots' } });
    const to = (path: string) =>
      pushHere(['--repo', repo, ...receiver.as('roots'), 'roots/a', `${receiver.url}${path}`]);
    for (const path of ['', 'other', '../main', 'main/repo', '__proto__']) {
      expect((await to(path)).stderr, path).toMatch(/roots has no repository [\s\S]*main, beta|not the address/);
    }
    succeeded(await to('beta'));
    expect(await readFile(join(dir, 'beta/repo/refs/heads/roots/a'), 'utf8')).toBe(`${made}\n`);
    expect(existsSync(join(dir, 'main/repo'))).toBe(false);
    succeeded(await to('main/'));
    expect(await readFile(join(dir, 'main/repo/refs/heads/roots/a'), 'utf8')).toBe(`${made}\n`);
  });

  it('counts what a name has pushed in all, and of two at once lets one in that fits', async () => {
    const content = (mark: number) => Array.from({ length: 6000 }, (_, n) => (n * 7919 * mark).toString(36)).join('');
    await commit('full/a', { tree: { a: content(1) } });
    succeeded(await push('full', 'full/a'));
    await commit('full/b', { tree: { b: content(2) } });
    await commit('full/c', { tree: { c: content(3) } });
    const both = await Promise.all([push('full', 'full/b'), push('full', 'full/c')]);
    expect(both.map(({ code }) => code).sort()).toEqual([0, 1]);
    const { stderr } = await push('full', both[0]?.code === 0 ? 'full/c' : 'full/b');
    expect(stderr).toMatch(/full may push 51\.2 kB in all, of which \d+\.\d kB are used/);
    expect(await readdir(join(receiver.root, '.atomic-nightly-receive'))).not.toContainEqual(
      expect.stringMatching(/^atomic-nightly-/),
    );
  });

  it('makes deltas, prunes and goes back in time for whom the configuration allows it', async () => {
    const ref = 'free/a';
    const tree = testTree(30);
    const first = await commit(ref, { tree });
    succeeded(await push('free', ref));
    const second = await commit(ref, { tree: { ...tree, b: 'b' }, parent: first, timestamp: TEST_TIME + 1 });
    succeeded(await push('free', ref, '--deltas'));
    const { stdout: deltas } = await run('ostree', ['static-delta', 'list', `--repo=${far()}`]);
    expect(deltas).toContain(`${first}-${second}`);
    // A client that may use nothing else.
    const client = join(dir, 'client');
    await run('ostree', ['init', `--repo=${client}`, '--mode=bare-user']);
    await run('ostree', ['remote', 'add', `--repo=${client}`, '--no-gpg-verify', 'far', `file://${far()}`]);
    await run('ostree', ['pull', `--repo=${client}`, 'far', `${ref}@${first}`]);
    await run('ostree', ['pull', `--repo=${client}`, '--require-static-deltas', 'far', ref]);
    const third = await commit(ref, { tree: { ...tree, c: 'c' }, parent: second, timestamp: TEST_TIME + 2 });
    succeeded(await push('free', ref, '--prune-to', '2'));
    const isThere = (made: string) => existsSync(far(objectPath(made, 'commit')));
    expect([first, second, third].map(isThere)).toEqual([false, true, true]);
    await run('ostree', ['fsck', '--quiet', `--repo=${far()}`]);
    await run('ostree', ['refs', `--repo=${repo}`, '--force', `--create=${ref}`, second]);
    expect((await push('free', ref)).stderr).toContain('is not newer');
    succeeded(await push('free', ref, '--force-older'));
    expect(await farRef(ref)).toBe(second);
  });

  it('is pushed to by the name of a target of type ssh, and tells a stream that wants to publish there what it is', async () => {
    const config = join(dir, 'atomic-nightly.yaml');
    const [, identity = '', , hosts = ''] = receiver.as('free');
    const ssh = { 'identity-file': identity, 'known-hosts-file': hosts, port: receiver.sshd.port };
    const target = { type: 'ssh', destination: 'root@127.0.0.1:/', url: `http://127.0.0.1:9/`, ssh };
    await writeFile(join(dir, 'host.yaml'), 'ref: lab/x86_64/host\n');
    const streams = { nightly: { treefile: 'host.yaml', arch: 'x86_64', targets: ['releases'] } };
    await writeFile(config, JSON.stringify({ name: 'lab-host', targets: { releases: target }, streams }));
    const made = await commit('free/target', { tree: { t: '1' } });
    succeeded(await pushHere(['--repo', repo, 'free/target', 'releases', '--no-verify'], config));
    expect(await farRef('free/target')).toBe(made);
    const { stdout } = await runCli(dir, ['--config', config, 'doctor', '--json']);
    expect(stdout).toContain('This account takes pushes and nothing else');
  });

  it('says with --check all that is wrong, for each name, and takes nothing', async () => {
    const yaml = join(dir, 'check.yaml');
    const check = (...args: readonly string[]) => runCli(dir, ['--config', yaml, 'receive', '--check', ...args]);
    const good = { root: join(dir, 'checked'), refs: ['a/*'] };
    await run('ostree', ['init', `--repo=${join(dir, 'bare/repo')}`, '--mode=bare-user']).catch(() => undefined);
    const bad = {
      root: receiver.root,
      refs: ['b/*'],
      'verify-keys': [join(dir, 'no-key.asc')],
      hook: [join(dir, 'no-hook')],
      log: join(dir, 'no/such/folder/log'),
    };
    await writeFile(yaml, JSON.stringify({ pushers: { good, bad } }));
    const both = await check();
    expect(both.code).toBe(1);
    expect(both.stdout).toMatch(/✓ good: a\/\*/);
    expect(both.stdout).toMatch(/✗ bad: b\/\*/);
    for (const what of ['no-key.asc', 'no-hook is not there', 'log']) expect(both.stdout).toContain(what);
    expect((await check('--as', 'good')).code).toBe(0);
    await rm(join(dir, 'checked/repo'), { recursive: true, force: true });
    await run('ostree', ['init', `--repo=${join(dir, 'checked/repo')}`, '--mode=bare-user']).catch(() => undefined);
    await writeFile(yaml, JSON.stringify({ pushers: { good } }));
    expect((await check()).stdout).toContain('only an archive repository can be served');
    await writeFile(yaml, 'pushers: {good: {root: /srv, refs: []}, bad: {refs: [x], rots: 1}}\n');
    const faults = await check();
    expect(faults.code).toBe(2);
    expect(faults.stderr).toMatch(/check\.yaml:1:\d+: .*at least one ref/);
    expect(faults.stderr).toMatch(/rots/);
  });
});
