import { mkdtempSync, rmSync } from 'node:fs';
import { appendFile, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signaturesIn } from '../../../src/ostree/commit-signatures.ts';
import { objectPath } from '../../../src/ostree/objects.ts';
import { run } from '../../../src/programs/exec.ts';
import { gpgStopAgent } from '../../../src/programs/gpg.ts';
import { serveFolder } from '../../support/nginx.ts';
import { commitTestTree, TEST_REF, TEST_TIME, type TestCommit, testTree } from '../../support/ostree-repo.ts';
import { pushHere } from '../../support/push-here.ts';
import { sharedRadosgw, whyNoRadosgw } from '../../support/radosgw.ts';
import { startRsyncd } from '../../support/rsyncd.ts';
import { makeBucket } from '../../support/s3-bucket.ts';
import { makeKey, type TestKey } from '../../support/signing-key.ts';
import { startSshd } from '../../support/sshd.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import type { CliResult } from '../../support/world.ts';

/** One repository in the mode of somebody's workstation, and commits that follow each other. */
let dir = '';
let repo = '';
let key: TestKey;
const TAG = 'test/x86_64/41.1';

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-push-'));
  repo = join(dir, 'mine');
  await run('ostree', ['init', `--repo=${repo}`, '--mode=bare-user']);
  key = await makeKey(dir);
});

afterAll(async () => {
  await gpgStopAgent(key.home, testTask(dir));
  rmSync(dir, { recursive: true, force: true });
});

const push = (...args: readonly string[]): Promise<CliResult> => pushHere(['--repo', repo, ...args]);

/** Commits and has the ref name it. */
async function commit(what: Omit<TestCommit, 'repo'>): Promise<string> {
  const made = await commitTestTree({ repo, ...what });
  await setRef(what.ref ?? TEST_REF, made);
  return made;
}

const setRef = (ref: string, made: string) =>
  run('ostree', ['refs', `--repo=${repo}`, '--force', `--create=${ref}`, made]);

const files = testTree(40);
const first = () => commit({ tree: files, args: [`--bind-ref=${TAG}`] });
const second = (parent: string) =>
  commit({ tree: { ...files, new: '2' }, parent, timestamp: TEST_TIME + 1, args: [`--bind-ref=${TAG}`] });

/** A client pulls the ref, and every object is checked. */
async function pulled(far: string, ref = TEST_REF): Promise<string> {
  const client = join(temporaryFolder(), 'client');
  await run('ostree', ['init', `--repo=${client}`, '--mode=bare-user']);
  await run('ostree', ['remote', 'add', `--repo=${client}`, '--no-gpg-verify', 'far', `file://${far}/repo`]);
  await run('ostree', ['pull', `--repo=${client}`, 'far', ref]);
  await run('ostree', ['fsck', `--repo=${client}`, '--quiet']);
  return (await run('ostree', ['rev-parse', `--repo=${client}`, `far:${ref}`])).stdout.trim();
}

const succeeded = ({ code, stderr }: CliResult) => expect(code, stderr).toBe(0);

describe('push', () => {
  it.each(['archive', 'bare', 'bare-user', 'bare-user-only'])('reads a repository in mode %s', async (mode) => {
    const [here, far] = [join(temporaryFolder(), 'any name'), join(temporaryFolder(), 'far')];
    await run('ostree', ['init', `--repo=${here}`, `--mode=${mode}`]);
    const tree = join(here, '../tree');
    await mkdir(join(tree, 'usr'), { recursive: true });
    await writeFile(join(tree, 'usr/large'), 'x'.repeat(300_000));
    await run('sh', ['-ec', 'ln -s large "$1/usr/link"; chmod 755 "$1/usr/large"', 'sh', tree]);
    const commitIt = (time: number) =>
      run('ostree', ['commit', `--repo=${here}`, '-b', 'os/main', `--tree=dir=${tree}`, `--timestamp=@${time}`]);
    await commitIt(TEST_TIME);
    succeeded(await push('--repo', here, 'os/main', far));
    await writeFile(join(tree, 'usr/more'), 'more');
    const made = (await commitIt(TEST_TIME + 1)).stdout.trim();
    const result = await push('--repo', here, 'os/main', `${far}/repo`, '--json');
    succeeded(result);
    // The commit, two folders that changed and one file: nothing that is there already.
    expect(JSON.parse(result.stdout).refs).toMatchObject([{ ref: 'os/main', to: made, files: 4 }]);
    expect(await pulled(far, 'os/main')).toBe(made);
    expect(await readdir(join(here, 'tmp/atomic-nightly-push'))).toEqual(['logs']);
  });

  it.each([
    ['a path', async () => ({ to: join(temporaryFolder(), 'far'), options: [] })],
    [
      'ssh://',
      async () => {
        const sshd = await startSshd(join(temporaryFolder(), 'sshd'));
        const options = ['--identity', sshd.identityFile, '--known-hosts', sshd.knownHostsFile];
        return { to: `ssh://root@127.0.0.1:${sshd.port}${temporaryFolder()}/far`, options };
      },
    ],
    [
      'rsync://',
      async () => {
        const { destination } = await startRsyncd(join(temporaryFolder(), 'rsyncd'), join(temporaryFolder(), 'far'));
        process.env['RSYNC_PASSWORD'] = 'pa55word';
        return { to: destination, options: [] };
      },
    ],
    ...(whyNoRadosgw() === undefined
      ? [
          [
            's3://',
            async () => {
              const { config } = await makeBucket(await sharedRadosgw());
              process.env['AWS_ENDPOINT_URL'] = config.endpoint;
              return { to: `s3://${config.bucket}/some/where`, options: ['--url', config.url] };
            },
          ] as const,
        ]
      : []),
  ] as const)('goes to %s, without a configuration, and again', async (_, open) => {
    const { to, options } = await open();
    const before = await first();
    succeeded(await push(...options, TEST_REF, to));
    const made = await second(before);
    const planned = await push(...options, TEST_REF, to, '--dry-run', '--json');
    expect(JSON.parse(planned.stdout).refs).toMatchObject([{ from: before, to: made, files: 3 }]);
    succeeded(await push(...options, TEST_REF, to, '--tag', TAG, '--deltas'));
    const again = await push(...options, TEST_REF, to, '--json');
    expect(JSON.parse(again.stdout).refs).toEqual([{ ref: TEST_REF, from: made, to: made, files: 0, bytes: 0 }]);
    await setRef(TEST_REF, before);
    const older = await push(...options, TEST_REF, to);
    expect(older).toMatchObject({ code: 1, stderr: expect.stringContaining('is not newer') });
  });

  it('pulls as a fresh client where it is told the address, and sends a delta that works', async () => {
    const far = temporaryFolder();
    const server = await serveFolder({ root: far });
    try {
      const before = await first();
      succeeded(await push(TEST_REF, far, '--url', server.url));
      const made = await second(before);
      succeeded(await push(TEST_REF, far, '--url', `${server.url}/repo`, '--deltas'));
      const shown = await run('ostree', ['static-delta', 'list', `--repo=${far}/repo`]);
      expect(shown.stdout.trim()).toBe(`${before}-${made}`);
      await rm(join(far, 'repo/objects'), { recursive: true });
      expect((await push(TEST_REF, far, '--url', server.url)).stderr).toContain('does not serve');
      succeeded(await push(TEST_REF, far, '--url', server.url, '--no-verify'));
    } finally {
      await server.stop();
    }
  });

  it('keeps signatures, of either side, and lets nothing unsigned follow what is signed', async () => {
    const far = temporaryFolder();
    const sign = (where: string, made: string) =>
      run('ostree', [`--repo=${where}`, 'gpg-sign', `--gpg-homedir=${key.home}`, made, key.key]);
    const made = await commit({ tree: { a: '1' }, ref: 'os/signed', args: ['--bind-ref=os/also'] });
    succeeded(await push('os/signed', far));
    await sign(repo, made);
    succeeded(await push('os/signed', far));
    const signatures = async () => signaturesIn(await readFile(join(far, 'repo', objectPath(made, 'commitmeta'))));
    expect(await signatures()).toHaveLength(1);
    // Somebody else may have signed it there; here it has lost its signature.
    await rm(join(repo, objectPath(made, 'commitmeta')));
    await setRef('os/also', made);
    succeeded(await push('os/also', far));
    expect(await signatures()).toHaveLength(1);
    await commit({ tree: { a: '2' }, ref: 'os/signed', parent: made, timestamp: TEST_TIME + 1 });
    const refused = await push('os/signed', far);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('is not signed') });
  });

  it('refuses before anything is sent, each with its reason', async () => {
    const far = join(temporaryFolder(), 'far');
    const made = await first();
    const said = async (...args: readonly string[]) => {
      const { code, stderr } = await push(...args);
      expect(code).not.toBe(0);
      return stderr;
    };
    expect(await said('test/x86_64/nightlx', far)).toContain(`Did you mean "${TEST_REF}"?`);
    expect(await said('../../etc/passwd', far)).toContain('cannot be the name of a ref');
    expect(await said(TEST_REF, 'mirror')).toContain('A folder is written ./mirror');
    expect(await said(TEST_REF, 'ftp://host/path')).toContain('not the address of a far side');
    expect(await said(TEST_REF, 'ssh://-oProxyCommand=touch@host/x')).toContain('not the address of a far side');
    for (const url of [
      'ssh://host:99999/x',
      'ssh://host:0/x',
      'rsync://host:99999/m/x',
      'rsync://[::x/m',
      'rsync://-e/m',
    ])
      expect(await said(TEST_REF, url), url).toContain('not the address of a far side');
    expect(await said(TEST_REF, 's3://user:secret@bucket/x')).not.toContain('resume');
    expect(await said(TEST_REF, far, '--repo', dir)).toContain('is not an OSTree repository');
    expect(await said(TEST_REF, far, '--tag', 'a tag')).toContain('cannot be the name of a ref');
    expect(await said(TEST_REF, far, '--prune-to', '0')).toContain('1 or more');
    expect(await said(TEST_REF)).toContain('at least one ref');
    for (const option of ['--identity', '--known-hosts'])
      expect(await said(TEST_REF, 'ssh://a@127.0.0.1:1/', option, 'nowhere')).toContain(
        `${option}: there is no file nowhere.`,
      );
    expect(await said(TEST_REF, 'ssh://a@127.0.0.1:1/')).toMatch(
      /Check the host, port and module, and that the server runs\. Then run the same push again: /,
    );
    await setRef('os/other', made);
    expect(await said('os/other', far)).toContain('was made for');
    // In part only, and damaged.
    const part = await commit({ tree: { part: '1' }, ref: 'os/part' });
    await writeFile(join(repo, 'state', `${part}.commitpartial`), '');
    expect(await said('os/part', far)).toContain('in part only');
    const here = join(temporaryFolder(), 'repo');
    await run('ostree', ['init', `--repo=${here}`, '--mode=archive']);
    await run('ostree', ['pull-local', `--repo=${here}`, repo, TEST_REF]);
    const content = (await readdir(join(here, 'objects'), { recursive: true })).filter((name) =>
      name.endsWith('.filez'),
    );
    await appendFile(join(here, 'objects', content[0] ?? ''), 'x');
    await cp(join(here, 'objects', content[1] ?? ''), join(here, 'objects', content[2] ?? ''));
    expect(await said('--repo', here, TEST_REF, far)).toContain('is damaged');
    expect(await readdir(join(far, '..'))).toEqual([]);
  });

  it('goes back only when told to, and never moves a tag', async () => {
    const far = temporaryFolder();
    const before = await first();
    const made = await second(before);
    succeeded(await push(TEST_REF, far, '--tag', TAG));
    await setRef(TEST_REF, before);
    expect((await push(TEST_REF, far, '--force-older', '--tag', TAG)).stderr).toContain('a tag never moves');
    expect((await readFile(join(far, 'repo/refs/heads', TEST_REF), 'utf8')).trim()).toBe(made);
    succeeded(await push(TEST_REF, far, '--force-older'));
    expect(await pulled(far)).toBe(before);
    expect(await pulled(far, TAG)).toBe(made);
  });

  it('keeps the newest commits with --prune-to, and all of other refs', async () => {
    const far = temporaryFolder();
    const other = await commit({ tree: { other: '1' }, ref: 'os/other-1', timestamp: TEST_TIME });
    await commit({ tree: { other: '2' }, ref: 'os/other-1', parent: other, timestamp: TEST_TIME + 1 });
    const older = { repo, from: other };
    await setRef('os/other-1', older.from);
    succeeded(await push('os/other-1', far));
    const made = [await first()];
    succeeded(await push(TEST_REF, far, '--tag', TAG));
    for (const n of [1, 2, 3]) {
      const tree = { ...files, new: String(n) };
      made.push(await commit({ tree, parent: made.at(-1) ?? '', timestamp: TEST_TIME + n }));
      succeeded(await push(TEST_REF, far, '--prune-to', '2'));
    }
    const there = (await readdir(join(far, 'repo/objects'), { recursive: true }))
      .filter((name) => name.endsWith('.commit'))
      .map((name) => name.replace('/', '').replace('.commit', ''));
    // The tag keeps the first, the second is gone.
    expect(there.sort()).toEqual([other, made[0], made[2], made[3]].sort());
    await run('ostree', ['fsck', `--repo=${far}/repo`, '--quiet']);
  });

  it('pushes several refs at once, each of two pushers its own', async () => {
    const far = temporaryFolder();
    const made = await first();
    const names = ['a', 'b', 'c', 'd'].map((name) => `race/${name}`);
    for (const ref of names) await commit({ tree: { [ref]: '1' }, ref });
    const results = await Promise.all([push('race/a', 'race/b', far), push('race/c', 'race/d', TEST_REF, far)]);
    for (const result of results) succeeded(result);
    for (const ref of names) await pulled(far, ref);
    expect(await pulled(far)).toBe(made);
    const { stdout } = await run('ostree', ['summary', '--view', `--repo=${far}/repo`]);
    for (const ref of [...names, TEST_REF]) expect(stdout).toContain(`* ${ref}\n`);
  });
});
