import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256File } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { everyCase } from '../support/every-case.ts';
import { type RekorServer, startRekor } from '../support/rekor-server.ts';
import { makeStatedWorld } from '../support/stated-world.ts';
import { records, type World } from '../support/world.ts';

let world: World;
let folder: string;
let commit: string;
let rekor: RekorServer;
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  rekor = await startRekor(join(dir, 'rekor'));
  world = await makeStatedWorld(dir, [`rekor: {url: '${rekor.url}', log-key: ${rekor.vkey}}`]);
  const night = await world.nightly('nightly', '--json');
  expect(night.stderr).not.toContain('✗');
  ({ commit } = JSON.parse(night.stdout));
  folder = join(world.published, 'builds', JSON.parse(night.stdout).build, 'x86_64');
});
afterAll(async () => {
  await rekor.stop();
  await world.stop();
  await rm(world.dir, { recursive: true, force: true });
});

test('the bill of materials beside a build lists what is in its tree, and passes the strict validator', async () => {
  const text = await readFile(join(folder, 'sbom.cdx.json'), 'utf8');
  expect(await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(text)).toBeNull();
  const { packages } = JSON.parse(await readFile(join(folder, 'provenance.json'), 'utf8'));
  const { components, metadata } = JSON.parse(text);
  expect(components).toHaveLength(packages.length);
  expect(metadata.component.hashes).toEqual([{ alg: 'SHA-256', content: commit }]);
  const app = components.find((one: { name: string }) => one.name === 'app');
  expect(app.purl).toMatch(/^pkg:rpm\/[a-z]+\/app@2\.0-1\?arch=noarch&.*epoch=1$/);
});

test('I2: the statement beside a build is one that openssl verifies; its subjects are the commit and the records as they are', async () => {
  const sums = await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder });
  for (const name of ['sbom.cdx.json', 'provenance.intoto.jsonl']) expect(sums.stdout).toContain(`${name}: OK`);
  // As docs/attestations.md has it.
  const page = await readFile(new URL('../../docs/attestations.md', import.meta.url), 'utf8');
  const script = /python3 - <<'END'\n([^`]*)\nEND\n(openssl dgst .*)\n/.exec(page);
  const scratch = join(world.dir, 'scratch');
  await run('mkdir', [scratch]);
  for (const file of [join(folder, 'provenance.intoto.jsonl'), join(world.dir, 'statements.pub')])
    await run('cp', [file, scratch]);
  await run('python3', ['-c', script?.[1] ?? ''], { cwd: scratch });
  expect((await run('sh', ['-c', script?.[2] ?? ''], { cwd: scratch })).stdout).toBe('Verified OK\n');

  const { subject, predicate } = JSON.parse(await readFile(join(scratch, 'statement.json'), 'utf8'));
  for (const { name, digest } of subject) {
    const file = name.startsWith('repo/') ? join(world.published, name) : join(folder, name);
    expect(await sha256File(file), name).toBe(digest.sha256);
  }
  const names = subject.map(({ name }: { name: string }) => name);
  expect(names).toEqual(
    expect.arrayContaining(['lockfile.json', 'provenance.json', 'sbom.cdx.json', 'treefile.tar.gz']),
  );
  expect(names).not.toContain('provenance.intoto.jsonl');
  const { resolvedDependencies } = predicate.buildDefinition;
  const app = resolvedDependencies.find(({ uri = '' }: { uri?: string }) => uri.includes('/app@2.0-1'));
  const rpm = join(world.distro.repoDir, 'app-2.0-1.noarch.rpm');
  expect(app.digest).toEqual({ sha256: await sha256File(rpm) });
  const repomd = await readFile(join(world.distro.repoDir, 'repodata/repomd.xml'));
  expect(resolvedDependencies).toContainEqual({
    name: 'mini',
    uri: expect.stringMatching(/\/repodata\/repomd\.xml$/),
    digest: { sha256: createHash('sha256').update(repomd).digest('hex') },
  });
  expect(predicate.runDetails.builder.id).toBe('https://ci.example.org/atomic');
});

test('the bundle beside a statement has its entry in the Rekor log, which took what openssl verified', async () => {
  const sums = await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder });
  expect(sums.stdout).toContain('provenance.sigstore.json: OK');
  const read = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8'));
  const { mediaType, verificationMaterial, dsseEnvelope } = await read('provenance.sigstore.json');
  expect(mediaType).toBe('application/vnd.dev.sigstore.bundle.v0.3+json');
  expect(dsseEnvelope).toEqual(await read('provenance.intoto.jsonl'));
  const [{ logIndex, canonicalizedBody }] = verificationMaterial.tlogEntries;
  expect([logIndex, Buffer.from(canonicalizedBody, 'base64')]).toEqual(['3', rekor.entries[3]]);
});

test.runIf(everyCase)('without its log a build is incomplete and not to be seen; resume completes it', async () => {
  rekor.mode = 'down';
  const night = await world.nightly('nightly', '--force', '--json');
  rekor.mode = 'up';
  expect([night.code, night.stderr]).toEqual([1, expect.stringContaining('has not taken the signed statement')]);
  const stopped = (await records(world)).at(-1);
  expect(stopped).toMatchObject({ 'atomic-nightly.state': 'incomplete' });
  const build = String(stopped?.['buildid']);
  expect(existsSync(join(world.published, 'builds', build))).toBe(false);
  expect((await world.nightly('resume', build)).code).toBe(0);
  const place = join(world.published, 'builds', build, 'x86_64');
  expect(existsSync(join(place, 'provenance.sigstore.json'))).toBe(true);
});

test('I16: publishing again changes neither; with nothing new there is no further build', async () => {
  const [statement, sbom] = ['provenance.intoto.jsonl', 'sbom.cdx.json'].map((name) => join(folder, name));
  const before = [await sha256File(statement ?? ''), await sha256File(sbom ?? '')];
  expect((await world.nightly('nightly')).code).toBe(10);
  expect((await world.nightly('publish')).code).toBe(0);
  expect([await sha256File(statement ?? ''), await sha256File(sbom ?? '')]).toEqual(before);
  const verified = await world.nightly('verify', 'buildlogs');
  expect(verified.code, verified.stdout + verified.stderr).toBe(0);
});

test.runIf(everyCase)('a build that takes another back has both for its own commit', async () => {
  const bad = JSON.parse((await world.nightly('nightly', '--force', '--json')).stdout).build;
  const back = await world.nightly('retract', bad, '--reason', 'bad', '--json');
  expect(back.stderr).not.toContain('✗');
  const id = JSON.parse(back.stdout).build;
  const place = join(world.published, 'builds', id, 'x86_64');
  const sums = await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: place });
  for (const name of ['sbom.cdx.json', 'provenance.intoto.jsonl']) expect(sums.stdout).toContain(`${name}: OK`);
  const { payload } = JSON.parse(await readFile(join(place, 'provenance.intoto.jsonl'), 'utf8'));
  const { subject, predicate } = JSON.parse(Buffer.from(payload, 'base64').toString());
  const meta = (await records(world)).find(({ buildid }) => buildid === id);
  expect(subject[0].digest.sha256).toBe(meta?.['ostree-commit']);
  expect(predicate.buildDefinition.externalParameters.retractionOf).toEqual({
    build: bad,
    treeOf: expect.stringMatching(/^\d{8}_\d\d$/),
  });
  const verified = await world.nightly('verify', 'buildlogs');
  expect(verified.code, verified.stdout + verified.stderr).toBe(0);
});

test('a key that cannot sign stops a build before any work; without attestations there is neither file', async () => {
  const config = await readFile(world.config, 'utf8');
  await writeFile(world.config, config.replace('statements.pem', 'none.pem'));
  const before = await records(world);
  const stopped = await world.nightly('nightly', '--force');
  expect(stopped.code).toBe(1);
  expect(stopped.stderr).toMatch(/atomic-nightly\.yaml:\d+:\d+: .*none\.pem is not there/);
  expect(await records(world)).toHaveLength(before.length);
  await writeFile(world.config, config.replace(/ *attestations:[\s\S]*?key-file: \S+\}\n/, ''));
  const plain = await world.nightly('nightly', '--force', '--json');
  const { build } = JSON.parse(plain.stdout);
  expect(existsSync(join(world.published, 'builds', build, 'x86_64', 'provenance.json'))).toBe(true);
  for (const name of ['sbom.cdx.json', 'provenance.intoto.jsonl'])
    expect(existsSync(join(world.published, 'builds', build, 'x86_64', name)), name).toBe(false);
});
