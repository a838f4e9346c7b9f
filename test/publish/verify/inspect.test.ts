import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sha256 } from '../../../src/base/files.ts';
import { verify as verifyCommand } from '../../../src/cli/commands/verify.ts';
import { objectPath } from '../../../src/ostree/objects.ts';
import { deltaPath } from '../../../src/ostree/static-deltas.ts';
import { run } from '../../../src/programs/exec.ts';
import type { Check } from '../../../src/publish/verify/verify-report.ts';
import { inspectTarget } from '../../../src/publish/verify/verify-target.ts';
import { commitTestTree, TEST_REF, TEST_TIME } from '../../support/ostree-repo.ts';
import { type PublishedTarget, publishedTarget, TESTED_REF } from '../../support/published-target.ts';
import { temporaryFolder } from '../../support/tmp.ts';

type Trust = { readonly gpgKeys: readonly string[]; readonly signedSummary: boolean };
const NO_KEYS: Trust = { gpgKeys: [], signedSummary: false };

/** What an outsider finds: faults by what they are about, and the rest. */
async function inspect(
  bed: PublishedTarget,
  options: { onlyRef?: string; imageContent?: boolean; trust?: Trust } = {},
) {
  const { imageContent = false, trust = NO_KEYS, ...rest } = options;
  const checks: Check[] = [];
  const streams = [
    {
      name: 'nightly',
      ref: TEST_REF,
      testedRef: TESTED_REF,
      vagrantBox: 'mini-nightly',
      use: { tree: true, builds: true, releases: false },
      trust,
    },
  ];
  const request = { url: bed.url, streams, imageContent, scratchDir: join(bed.work, 'scratch'), ...rest };
  const ok = await inspectTarget(request, (check) => checks.push(check), bed.task);
  const faults = new Map(checks.flatMap((check) => (check.ok ? [] : [[check.what, check.why] as const])));
  expect(ok).toBe(faults.size === 0);
  return { checks, faults, passed: checks.flatMap((check) => (check.ok ? [check.what] : [])) };
}

it('finds a sound target sound, and says what it looked at', async () => {
  const bed = await publishedTarget(temporaryFolder());
  const [first, last] = bed.builds.map(({ commit }) => commit.slice(0, 12));
  const { checks, faults, passed } = await inspect(bed, { imageContent: true });
  expect([...faults]).toEqual([]);
  for (const what of [`pull of ${TEST_REF}`, `pull of ${TESTED_REF}`, `delta from ${first} to ${last}`]) {
    expect(passed).toContain(what);
  }
  expect(checks).toContainEqual({
    ok: true,
    what: 'build 20260101_01 x86_64, images/disk-20260101_01.qcow2',
    detail: '20000 bytes, SHA-256 right',
  });
  expect(passed).toContain('streams/nightly/tested.json, x86_64');
});

it('reports every fault, not only the first', async () => {
  const bed = await publishedTarget(temporaryFolder());
  const { far, builds } = bed;
  const [first, last] = builds.map(({ commit }) => commit);
  if (!first || !last) throw new Error('two nights were published');
  const { stdout } = await run('find', [join(far, 'repo/objects'), '-name', '*.filez']);
  await rm(stdout.split('\n')[0] ?? '');
  await rm(join(far, 'repo/refs/heads', TESTED_REF));
  await rm(join(far, 'repo', deltaPath(first, last), 'superblock'));
  await writeFile(join(far, 'builds/20260101_01/x86_64/lockfile.json'), '{"id":"changed"}');
  await truncate(join(far, 'builds/20260102_01/x86_64/images/disk-20260102_01.qcow2'), 19_999);
  await writeFile(join(far, 'streams/nightly/tested.json'), 'not JSON');
  const { faults, passed } = await inspect(bed);
  expect([...faults.keys()].sort()).toEqual([
    'build 20260101_01 x86_64, SHA256SUMS',
    'build 20260102_01 x86_64, images/disk-20260102_01.qcow2',
    `delta from ${first.slice(0, 12)} to ${last.slice(0, 12)}`,
    `pull of ${TEST_REF}`,
    `pull of ${TESTED_REF}`,
    `ref ${TESTED_REF}`,
    'streams/nightly/tested.json',
  ]);
  expect(faults.get('build 20260102_01 x86_64, images/disk-20260102_01.qcow2')).toBe(
    'has 19999 bytes, meta.json says 20000',
  );
  expect(passed).toContain('build 20260102_01 x86_64, commit');
});

it('tells a delta that does not apply from one that is not there', async () => {
  const bed = await publishedTarget(temporaryFolder());
  const [first = '', last = ''] = bed.builds.map(({ commit }) => commit);
  const delta = join(bed.far, 'repo', deltaPath(first, last));
  const what = `delta from ${first.slice(0, 12)} to ${last.slice(0, 12)}`;
  const part = await readFile(join(delta, '0'));
  await rm(join(delta, '0'));
  await writeFile(
    join(delta, '0'),
    part.map((byte, index) => (index === part.length >> 1 ? byte ^ 1 : byte)),
  );
  const broken = await inspect(bed, { onlyRef: TEST_REF });
  expect([...broken.faults.keys()]).toEqual([what]);
  await rm(join(delta, 'superblock'));
  const gone = await inspect(bed, { onlyRef: TEST_REF });
  expect(gone.faults.get(what)).toMatch(/the index names it, but .*superblock is not there/);
});

it('finds a record of another build, a commit that is not there, and content that only a digest tells', async () => {
  const bed = await publishedTarget(temporaryFolder());
  const [first = ''] = bed.builds.map(({ commit }) => commit);
  const at = (id: string, file: string) => join(bed.far, 'builds', id, 'x86_64', file);
  await rm(join(bed.far, 'repo', objectPath(first, 'commit')));
  await rm(at('20260102_01', 'images/disk-20260102_01.qcow2'));
  await writeFile(at('20260102_01', 'images/disk-20260102_01.qcow2'), Buffer.alloc(20_000, 'x'));
  const { faults } = await inspect(bed, { imageContent: true });
  expect(faults.get('build 20260101_01 x86_64, commit')).toBe(`the repository has no commit ${first}`);
  expect(faults.get('build 20260102_01 x86_64, images/disk-20260102_01.qcow2')).toContain('has SHA-256');
  expect((await inspect(bed)).faults.size).toBe(1);
  await writeFile(at('20260101_01', 'meta.json'), await readFile(at('20260102_01', 'meta.json')));
  expect((await inspect(bed)).faults.get('build 20260101_01 x86_64')).toBe('its record is that of 20260102_01');
});

it('finds a commit from the future, one before its parent, and one made for another ref', async () => {
  const bed = await publishedTarget(temporaryFolder(), { nights: 1 });
  const { repo, far, builds } = bed;
  const parent = builds[0]?.commit ?? '';
  const put = async (commit: string): Promise<void> => {
    await run('ostree', [`--repo=${join(far, 'repo')}`, 'pull-local', repo, commit]);
    await run('ostree', [`--repo=${join(far, 'repo')}`, 'refs', '--force', `--create=${TEST_REF}`, commit]);
    await run('ostree', [`--repo=${join(far, 'repo')}`, 'summary', '--update']);
  };
  const tree = { a: '1' };
  await put(await commitTestTree({ repo, tree, timestamp: Math.floor(Date.now() / 1000) + 86_400 }));
  const future = await inspect(bed, { onlyRef: TEST_REF });
  expect(future.faults.get(`time of ${TEST_REF}`)).toContain('is in the future');
  await put(await commitTestTree({ repo, tree, parent, timestamp: TEST_TIME - 1 }));
  const older = await inspect(bed, { onlyRef: TEST_REF });
  expect(older.faults.get(`time of ${TEST_REF}`)).toContain('is before that of its parent');
  await put(await commitTestTree({ repo, tree, ref: 'another', timestamp: TEST_TIME + 9 }));
  const swapped = await inspect(bed, { onlyRef: TEST_REF });
  expect(swapped.faults.get(`pull of ${TEST_REF}`)).toContain('another');
  expect((await inspect(bed, { onlyRef: 'none' })).faults.get('ref none')).toContain('has no such ref');
});

it('demands the signatures that a stream has, and still looks at the rest without them', async () => {
  const dir = temporaryFolder();
  const bed = await publishedTarget(dir, { nights: 1 });
  const [home, key] = [join(dir, 'gnupg'), join(dir, 'key.gpg')];
  await run('mkdir', ['-m', '700', home]);
  const gpg = (...args: string[]) => run('gpg', ['--homedir', home, '--batch', '--quiet', ...args]);
  try {
    await gpg('--passphrase', '', '--quick-generate-key', 'test <test@test.invalid>', 'rsa2048', 'sign', 'never');
    await gpg('--output', key, '--export');
    const { stdout } = await gpg('--with-colons', '--list-secret-keys');
    const id = /^fpr:+([0-9A-F]+):/m.exec(stdout)?.[1] ?? '';
    const trust = { gpgKeys: [key], signedSummary: true };
    const unsigned = await inspect(bed, { trust, onlyRef: TEST_REF });
    expect([...unsigned.faults.keys()]).toEqual([`pull of ${TEST_REF}`]);
    expect(unsigned.passed).toContain(`pull of ${TEST_REF} without signatures`);
    const farRepo = `--repo=${join(bed.far, 'repo')}`;
    const sign = [`--gpg-sign=${id}`, `--gpg-homedir=${home}`];
    await run('ostree', [farRepo, 'gpg-sign', `--gpg-homedir=${home}`, bed.builds[0]?.commit ?? '', id]);
    expect((await inspect(bed, { trust, onlyRef: TEST_REF })).faults.get(`pull of ${TEST_REF}`)).toMatch(/summary/);
    await run('ostree', [farRepo, 'summary', '--update', ...sign]);
    const signed = await inspect(bed, { trust, onlyRef: TEST_REF });
    expect([...signed.faults]).toEqual([]);
    expect(signed.checks).toContainEqual({
      ok: true,
      what: `pull of ${TEST_REF}`,
      detail: 'whole, signature of commit and summary good',
    });
  } finally {
    await run('gpgconf', ['--homedir', home, '--kill', 'all']);
  }
});

it('finds a box of the catalogue that leads nowhere or has another checksum', async () => {
  const bed = await publishedTarget(temporaryFolder(), { nights: 1 });
  const path = 'builds/20260101_01/x86_64/images/disk-20260101_01.qcow2';
  const put = (at: string, checksum: string) => {
    const provider = { name: 'libvirt', url: `${bed.url}/${at}`, checksum, checksum_type: 'sha256' };
    const versions = [{ version: '20260101.1', providers: [provider] }];
    const catalogue = { name: 'mini-nightly', description: '', versions };
    return bed.target.swap(
      { expect: [], put: [{ path: 'vagrant/mini-nightly.json', content: Buffer.from(JSON.stringify(catalogue)) }] },
      bed.task,
    );
  };
  const what = 'vagrant/mini-nightly.json, 20260101.1 for libvirt';
  const right = sha256(await readFile(join(bed.far, path)));
  await put(path, right);
  expect([...(await inspect(bed)).faults]).toEqual([]);
  await put(path, sha256('other'));
  expect((await inspect(bed)).faults.get(what)).toContain('checksum');
  await put('builds/none.box', right);
  expect((await inspect(bed)).faults.get(what)).toBe('builds/none.box is not there');
});

it('is a command: a line for each check, exit code 1 when one did not pass, JSON for scripts', async () => {
  const dir = temporaryFolder();
  const bed = await publishedTarget(dir, { nights: 1 });
  const config = join(dir, 'atomic-nightly.yaml');
  await writeFile(join(dir, 'treefile.yaml'), `ref: ${TEST_REF}\n`);
  await writeFile(
    config,
    `name: mini
work: ./work
targets:
  buildlogs: {type: directory, path: ${bed.far}, url: '${bed.url}'}
streams:
  nightly: {treefile: treefile.yaml, arch: x86_64, targets: [buildlogs]}
`,
  );
  const verify = async (options: { json?: boolean; target?: string } = {}) => {
    const lines: string[] = [];
    const log = { logKey: undefined, policy: undefined, state: undefined, maxAge: undefined, build: [] };
    const values = { target: undefined, ref: undefined, images: false, json: false, ...log, ...options };
    const print = (text: string): void => void lines.push(text);
    const code = await verifyCommand.run(values, { config, logFormat: 'plain', signal: bed.task.signal, print });
    return { code, text: lines.join('\n') };
  };
  const sound = await verify();
  expect(sound.code).toBe(0);
  expect(sound.text).toMatch(/^ok {6}pull of test\/x86_64\/nightly: whole$/m);
  await rm(join(bed.far, 'repo/refs/heads', TEST_REF));
  const damaged = await verify();
  expect(damaged.code).toBe(1);
  expect(damaged.text).toMatch(/^not ok {2}ref .*its file is not there\n {8}what to do: Run /m);
  expect(damaged.text).toMatch(/^1 of \d+ checks did not pass$/m);
  const [result] = JSON.parse((await verify({ json: true })).text);
  expect(result).toMatchObject({ target: 'buildlogs', ok: false });
  await expect(verify({ target: 'buildlog' })).rejects.toMatchObject({ code: 'usage' });
});

it('of a target that nobody publishes to yet there is nothing to repair, and nothing to say it', async () => {
  const bed = await publishedTarget(temporaryFolder());
  for (const name of ['repo', 'builds']) await rm(join(bed.far, name), { recursive: true });
  const checks: Check[] = [];
  const request = { url: bed.url, streams: [], imageContent: false, scratchDir: join(bed.work, 'scratch') };
  expect(await inspectTarget(request, (check) => checks.push(check), bed.task)).toBe(true);
  const detail = 'no stream publishes there, and no tree or build is there';
  expect(checks).toEqual([{ ok: true, what: 'target', detail }]);
});

it('a ref that is not there is named with those that are', async () => {
  const bed = await publishedTarget(temporaryFolder());
  const { checks } = await inspect(bed, { onlyRef: `${TEST_REF}x` });
  expect(checks).toContainEqual({
    ok: false,
    what: `ref ${TEST_REF}x`,
    why: expect.stringContaining(`has no such ref. Did you mean "${TEST_REF}"?`),
    hint: expect.stringContaining(`Refs there: ${[TEST_REF, TESTED_REF].sort().join(', ')}.`),
  });
});
