import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { rebuildStatement } from '../../src/attest/compose-rebuild.ts';
import { signStatement } from '../../src/attest/sign-statement.ts';
import { run } from '../../src/programs/exec.ts';
import { gpgStopAgent } from '../../src/programs/gpg.ts';
import { openStatementSigner } from '../../src/signing/statement-signer.ts';
import { serveFolder } from '../support/nginx.ts';
import { IDENTICAL } from '../support/rebuild-samples.ts';
import { makeRebuilder, rebuildersBlock, type TestRebuilder } from '../support/rebuilder.ts';
import { makeReleaseWorld, night, recordOf, releasing } from '../support/release-world.ts';
import { makeKey, type TestKey } from '../support/signing-key.ts';
import { expectSilence } from '../support/silence.ts';
import { standInGuest } from '../support/stand-in-guest.ts';
import { testLab } from '../support/test-lab.ts';
import { testTask } from '../support/tmp.ts';
import { runCli, type World } from '../support/world.ts';

let dir: string;
let world: World;
let key: TestKey;
let id: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-e2e-'));
  key = await makeKey(dir);
  world = await makeReleaseWorld(dir, {
    images: ['generic-cloud', 'vagrant-libvirt'],
    targets: ['mirror', 'cloud'],
    release: [...releasing(key).filter((line) => !line.startsWith('approvals')), 'rebuilds: 2'],
  });
  await symlink(world.distro.repoDir, join(world.published, 'rpms'));
  await world.distro.writeRepoFile({ baseurl: `${world.url}/rpms` });
  await rebuilders('alice', 'bob');
  await night(world);
  await world.distro.bump('app');
  id = await night(world);
});
afterAll(async () => {
  await world.stop();
  await gpgStopAgent(key.home, testTask(dir));
  await rm(dir, { recursive: true, force: true });
});

let people: TestRebuilder[] = [];

/** Names who rebuilds promotions, by keys that are made here. */
async function rebuilders(...names: readonly string[]): Promise<void> {
  people = await Promise.all(
    [...names, 'mallory'].map((name) => makeRebuilder(world, dir, name, `${world.url}/staging`)),
  );
  const known = people.filter(({ name }) => names.includes(name));
  await writeFile(world.config, `${await readFile(world.config, 'utf8')}${rebuildersBlock(known)}`);
}

function who(name: string): TestRebuilder {
  const found = people.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

test('a release waits until two others have composed the promotion again, and takes nobody else for one of them', async () => {
  const path = await standInGuest(dir, join(dir, 'work'));
  const promoted = await runCli(dir, ['promote', id, '--json'], { PATH: path });
  expect(promoted.code, promoted.stderr).toBe(0);
  const promotion: string = JSON.parse(promoted.stdout).build;
  const refused = async (message: RegExp): Promise<void> => {
    const result = await world.nightly('release', promotion);
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(12);
  };
  await refused(/needs 2 rebuilds by others, and nobody has composed it again\. Nothing came from alice, bob\./);

  for (const { name, rebuild } of people) {
    const rebuilt = await rebuild(promotion, '--nights-from', world.url, '--gpg-key', key.publicKeyFile);
    // The nightly stream does not sign: its publisher's key cannot be demanded.
    expect(rebuilt.code, rebuilt.stderr).toBe(1);
    expect(rebuilt.stderr, name).toMatch(/has no good signature by a key that was given/);
    const again = await rebuild(promotion, '--nights-from', world.url);
    expect(again, again.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('identical') });
  }
  const send = (name: string) => world.nightly('attest', promotion, who(name).statement(promotion) ?? '');
  expect(await send('mallory')).toMatchObject({ code: 1, stderr: expect.stringContaining('known here (alice, bob)') });
  expect(await send('alice')).toMatchObject({ code: 0 });
  await refused(/and only alice has composed it again\. Nothing came from bob\./);
  expect(await send('bob')).toMatchObject({ code: 0 });
  const released = await world.nightly('release', promotion);
  expect(released, released.stderr).toMatchObject({ code: 0 });
  const [first] = (await recordOf(world, promotion)).rebuilds ?? [];
  const there = join(world.published, 'cloud/builds', promotion, 'x86_64');
  expect(await readFile(join(there, first?.statement ?? ''), 'utf8')).toContain('payloadType');
  expect(await readFile(join(there, 'index.html'), 'utf8')).toContain('by 2 others, identical: alice, bob');
  await expectSilence(world);
}, 900_000);

test('a tree with another file than its packages make is found, with the package that owns the file', async () => {
  const { ostreeCommit: commit = '', parent = '' } = await recordOf(world, id);
  const [repo, overlay] = [join(world.published, 'repo'), join(dir, 'overlay')];
  await mkdir(join(overlay, 'usr/share'), { recursive: true });
  await writeFile(join(overlay, 'usr/share/app-release'), 'a back door\n');
  const time = (await run('ostree', [`--repo=${repo}`, 'show', commit])).stdout;
  const date = /^Date:\s+(.*)$/m.exec(time)?.[1] ?? '';
  const binding = '--bind-ref=mini/x86_64/nightly';
  const options = ['--orphan', '--owner-uid=0', '--owner-gid=0', binding, `--parent=${parent}`, `--timestamp=${date}`];
  const trees = [`--tree=ref=${commit}`, `--tree=dir=${overlay}`];
  const version = `--add-metadata-string=version=${id}`;
  const { stdout } = await run('ostree', [`--repo=${repo}`, 'commit', ...options, version, ...trees]);
  const bad = stdout.trim();
  const content = /ContentChecksum:\s+(\S+)/.exec((await run('ostree', [`--repo=${repo}`, 'show', bad])).stdout)?.[1];
  const record = join(world.published, 'builds', id, 'x86_64/meta.json');
  const good = await readFile(record, 'utf8');
  const said = { ...JSON.parse(good), 'ostree-commit': bad, 'ostree-content-checksum': content };
  await writeFile(`${record}.new`, JSON.stringify(said));
  await rename(`${record}.new`, record);
  onTestFinished(() => writeFile(record, good));
  const honest = await makeRebuilder(world, dir, 'honest');
  const found = await honest.rebuild(id, '--json');
  expect(found, found.stderr).toMatchObject({ code: 12 });
  expect(JSON.parse(found.stdout)).toMatchObject({
    verdict: 'differs',
    differences: { count: 1, paths: [{ kind: 'changed', path: '/usr/share/app-release', package: 'app' }] },
  });
  expect(honest.statement(id)).toBeDefined();
}, 300_000);

test('I10: images are the same again, each by what is in it; one that is not is named, also on the page', async () => {
  const good = who('alice');
  const from = ['--images', '--from', world.url];
  const elsewhere = await good.rebuild(id, ...from);
  expect(elsewhere.stderr).toMatch(/The image type generic-cloud here is not the one that build \d+_\d+ was made with/);
  expect(elsewhere.code).toBe(2);
  const types = ['--image-types', join(dir, 'image-types')];
  const found = await good.rebuild(id, ...from, ...types);
  expect(found, found.stderr).toMatchObject({ code: 0 });
  expect(found.stdout).toMatch(/^ {2}image generic-cloud: identical, [0-9a-f]{64}$/m);
  expect(found.stdout).toMatch(/^ {2}image vagrant-libvirt: identical, [0-9a-f]{64}$/m);
  const taken = await world.nightly('attest', id, good.statement(id) ?? '');
  expect(taken, taken.stderr).toMatchObject({ code: 0 });
  const page = join(world.published, 'builds', id, 'x86_64/index.html');
  expect(await readFile(page, 'utf8')).toContain('by 1 other, identical: alice (2 images)');

  const record = join(world.published, 'builds', id, 'x86_64/meta.json');
  const text = await readFile(record, 'utf8');
  const said = JSON.parse(text);
  said.images['generic-cloud']['uncompressed-sha256'] = 'a'.repeat(64);
  await writeFile(`${record}.new`, JSON.stringify(said));
  await rename(`${record}.new`, record);
  onTestFinished(() => writeFile(record, text));
  const honest = await makeRebuilder(world, dir, 'carol');
  const other = await honest.rebuild(id, ...from, ...types, '--json');
  expect(other, other.stderr).toMatchObject({ code: 12 });
  const image = { type: 'generic-cloud', published: 'a'.repeat(64) };
  expect(JSON.parse(other.stdout)).toMatchObject({
    verdict: 'differs',
    differences: { count: 0 },
    images: [image, {}],
  });
  // It is about another image than the build has.
  const refused = await world.nightly('attest', id, honest.statement(id) ?? '');
  expect(refused.code).toBe(1);
}, 900_000);

test('a build whose images other machines still make waits for its statements', async () => {
  const first = await world.nightly('nightly', '--until', 'push', '--force', '--json');
  expect(first, first.stderr).toMatchObject({ code: 0 });
  const build: string = JSON.parse(first.stdout).build;
  const { ostreeCommit: commit = '', ostreeContentChecksum: content = '' } = await recordOf(world, build);
  const about = { ...IDENTICAL.build, id: build };
  const said = { ...IDENTICAL, build: about, commit, published: content, rebuilt: content };
  const { dir: own } = who('alice');
  const signer = openStatementSigner({ type: 'key-file', keyFile: join(own, 'key.pem') });
  const file = join(own, 'said');
  await writeFile(file, await signStatement(rebuildStatement(said), signer, testTask(own)));
  const refused = await world.nightly('attest', build, file);
  expect(refused.stderr).toMatch(/Other machines make a part of build/);
  expect(refused.code).toBe(2);
  expect(await world.nightly('resume', build)).toMatchObject({ code: 0 });
  const taken = await world.nightly('attest', build, file);
  expect(taken, taken.stderr).toMatchObject({ code: 0 });
  const record = await readFile(join(world.published, 'builds', build, 'x86_64/meta.json'), 'utf8');
  expect(record).toContain('rebuilds/alice-');
  expect(JSON.parse(record)['atomic-nightly.state']).toBe('complete');
}, 300_000);

test('a package that was replaced in its repository since is named, with where it was looked for', async () => {
  await world.distro.publish({ ...world.distro.recipe('app'), requires: ['busybox'] });
  const late = await makeRebuilder(world, dir, 'late');
  const found = await late.rebuild(id);
  expect(found.code).toBe(1);
  expect(found.stderr).toMatch(/app-1:2\.0-2\.\w+ \(is there, but with another checksum\)/);
  expect(found.stderr).toContain(`mini: ${world.url}/rpms`);
}, 300_000);

test('I10: a nightly build of a whole host is identical in a second work folder with an empty cache', async () => {
  const own = join(dir, 'host');
  const published = join(own, 'published');
  await mkdir(published, { recursive: true });
  const server = await serveFolder({ root: published });
  onTestFinished(() => server.stop());
  const lab = await testLab(join(own, 'lab'), server.url, testTask(own));
  await symlink(join(own, 'lab'), join(published, 'lab'));
  const repos = (await readFile(lab.repoFile, 'utf8')).replaceAll(`file://${join(own, 'lab')}`, `${server.url}/lab`);
  await writeFile(lab.repoFile, repos);
  const target = `  buildlogs: {type: directory, path: ${published}, url: '${server.url}'}\n`;
  const stream = `    treefile: ${lab.treefile}\n    seed: {allow-new: true}\n    targets: [buildlogs]\n    images: []\n    smoke-test: false\n`;
  const config = `name: lab\nwork: ./work\nengine: dnf\ntargets:\n${target}streams:\n  nightly:\n${stream}`;
  await writeFile(join(own, 'atomic-nightly.yaml'), config);
  const made = await runCli(own, ['nightly', '--json']);
  expect(made.code, made.stderr).toBe(0);
  const build: string = JSON.parse(made.stdout).build;
  const somebody = await makeRebuilder({ url: server.url }, dir, 'somebody');
  const rebuilt = await somebody.rebuild(build);
  expect(rebuilt, rebuilt.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('identical') });
}, 1_800_000);
