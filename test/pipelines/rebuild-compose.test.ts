import { readFileSync } from 'node:fs';
import { appendFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseRebuild, rebuildStatement } from '../../src/attest/compose-rebuild.ts';
import { isSignedBy, parseEnvelope } from '../../src/attest/dsse.ts';
import { signStatement } from '../../src/attest/sign-statement.ts';
import { openStatementSigner } from '../../src/signing/statement-signer.ts';
import { keepLog, unlogged } from '../support/logged-world.ts';
import { type FileKey, makeFileKey } from '../support/openpgp-key.ts';
import { makeRebuilder, rebuildersBlock, type TestRebuilder } from '../support/rebuilder.ts';
import { night } from '../support/release-world.ts';
import { sharedFolder, temporaryFolder, testTask } from '../support/tmp.ts';
import { makeWorld, type World } from '../support/world.ts';

const shared = sharedFolder();
let world: World;
let signing: FileKey;
let vkey: string;
let id: string;
let [alice, bob, mallory]: TestRebuilder[] = [];

beforeAll(async () => {
  signing = await makeFileKey(shared);
  const { keyFile, passphrase } = signing;
  await mkdir(join(shared, 'world'));
  world = await makeWorld(join(shared, 'world'), {
    signed: true,
    stream: [`signing: {type: openpgp, key-file: ${keyFile}, passphrase-file: ${passphrase.file}}`],
  });
  [alice, bob, mallory] = await Promise.all(
    ['alice', 'bob', 'mallory'].map((name) => makeRebuilder(world, shared, name)),
  );
  await appendFile(world.config, rebuildersBlock([who(alice), who(bob)]));
  vkey = await keepLog(world);
  await symlink(world.distro.repoDir, join(world.published, 'rpms'));
  await world.distro.writeRepoFile({ baseurl: `${world.url}/rpms` });
  id = await night(world);
}, 300_000);
afterAll(() => world.stop());

function who(rebuilder: TestRebuilder | undefined): TestRebuilder {
  if (rebuilder === undefined) throw new Error('nobody was made');
  return rebuilder;
}

const metaOf = () => JSON.parse(readFileSync(join(world.dir, 'work/builds', id, 'x86_64/meta.json'), 'utf8'));
const published = (path: string) => readFile(join(world.published, 'builds', id, 'x86_64', path), 'utf8');

/** Has somebody sign another statement than the one they made. */
async function restated(
  { dir, statement }: TestRebuilder,
  change: (said: ReturnType<typeof parseRebuild>) => ReturnType<typeof parseRebuild>,
): Promise<string> {
  const made = parseEnvelope(await readFile(statement(id) ?? ''), 'statement');
  const signer = openStatementSigner({ type: 'key-file', keyFile: join(dir, 'key.pem') });
  const payload = rebuildStatement(change(parseRebuild(made.payload, 'statement')));
  const file = join(temporaryFolder(), 'statement');
  await writeFile(file, await signStatement(payload, signer, testTask(dir)));
  return file;
}

describe('rebuild-compose', () => {
  it('I10: somebody else gets the same tree from the published records alone, and signs it', async () => {
    const trust = ['--gpg-key', signing.publicKeyFile, '--log-key', vkey];
    const result = await who(alice).rebuild(id, ...trust);
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(result.stdout).toContain(`identical: build ${id}`);
    const envelope = parseEnvelope(await readFile(who(alice).statement(id) ?? ''), 'statement');
    expect(await isSignedBy(envelope, who(alice).publicKey)).toBe(true);
    expect(await isSignedBy(envelope, who(bob).publicKey)).toBe(false);
    const meta = metaOf();
    expect(parseRebuild(envelope.payload, 'statement')).toMatchObject({
      rebuilder: who(alice).uri,
      verdict: 'identical',
      commit: meta['ostree-commit'],
      published: meta['ostree-content-checksum'],
      rebuilt: meta['ostree-content-checksum'],
      inputs: ['lockfile.json', 'provenance.json', 'treefile.tar.gz'].map((name) => ({
        name: `builds/${id}/x86_64/${name}`,
      })),
    });
  });

  it('names a package that its repositories no longer have as it was, and where it was looked for', async () => {
    const dir = temporaryFolder();
    const own = join(dir, 'own.repo');
    await writeFile(own, `[mini]\nname=mini\nbaseurl=${world.url}/nowhere\n`);
    const nowhere = await who(bob).rebuild(id, '--repo', own);
    expect(nowhere.stderr).toMatch(/nowhere/);
    expect(nowhere.code).toBe(1);
    const wrong = await makeFileKey(dir, { name: 'wrong' });
    const unsigned = await who(bob).rebuild(id, '--gpg-key', wrong.publicFile);
    expect(unsigned.stderr).toMatch(/SHA256SUMS has no good signature by a key that was given/);
    expect(unsigned.code).toBe(1);
  });
});

describe('attest', () => {
  it('I12: takes no statement of a stranger', async () => {
    const stranger = await restated({ ...who(mallory), statement: who(alice).statement }, (said) => said);
    const refused = await world.nightly('attest', id, stranger);
    expect(refused.stderr).toMatch(/no good signature by a rebuilder that is known here \(alice, bob\)/);
    expect(refused.code).toBe(1);
    expect(metaOf()).not.toHaveProperty('atomic-nightly.rebuilds');
  });

  it('I17: publishes what rebuilders say beside the build, logged, named in its record and on its page', async () => {
    const bobs = await restated({ ...who(bob), statement: who(alice).statement }, (said) => ({
      ...said,
      rebuilder: who(bob).uri,
    }));
    const taken = await world.nightly('attest', id, who(alice).statement(id) ?? '', bobs);
    expect(taken, taken.stderr).toMatchObject({ code: 0 });
    expect(taken.stdout).toContain('rebuilt by 2 others, identical: alice, bob');
    const [first] = metaOf()['atomic-nightly.rebuilds'];
    expect(first).toMatchObject({ by: 'alice', verdict: 'identical', differences: 0 });
    expect(await published(first.statement)).toBe(await readFile(who(alice).statement(id) ?? '', 'utf8'));
    expect(await published('index.html')).toContain('by 2 others, identical: alice, bob');
    expect((await world.nightly('show', id, '--no-updates')).stdout).toContain('by 2 others, identical: alice, bob');
    expect(await unlogged(world)).toEqual([]);
    const silent = await world.nightly('publish', '--reconcile', '--dry-run');
    expect(silent, silent.stderr).toMatchObject({ code: 0 });
    expect(silent.stdout).toMatch(/nothing/i);
  });

  it('shows who got another tree as such', async () => {
    const differs = await restated(who(alice), (said) => ({
      ...said,
      verdict: 'differs',
      rebuilt: 'b'.repeat(64),
      differences: { count: 1, paths: [{ path: '/usr/bin/app', kind: 'changed', package: 'app' }] },
      finishedOn: new Date().toISOString(),
    }));
    const told = await world.nightly('attest', id, differs);
    expect(told.code).toBe(12);
    expect(told.stdout).toContain('alice: DIFFERS: 1 path differs, of app');
    expect(await published('index.html')).toContain('by 1 other, DIFFERENT: alice; by 1 other, identical: bob');
  });
});
