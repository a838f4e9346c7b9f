import { mkdirSync } from 'node:fs';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ComposeRebuild, rebuildStatement } from '../../../src/attest/compose-rebuild.ts';
import { signStatement } from '../../../src/attest/sign-statement.ts';
import { type BuildPaths, buildPaths } from '../../../src/build/build-store.ts';
import { openStatementSigner } from '../../../src/signing/statement-signer.ts';
import { readRebuilders, readStatement, requireRebuilds } from '../../../src/steps/release/rebuild-statements.ts';
import { fullMeta } from '../../support/build-meta.ts';
import { IDENTICAL } from '../../support/rebuild-samples.ts';
import { makeRebuilder, type TestRebuilder } from '../../support/rebuilder.ts';
import { sharedFolder, testTask } from '../../support/tmp.ts';

const dir = sharedFolder();
const META = fullMeta();
const SAID: ComposeRebuild = {
  ...IDENTICAL,
  ...{ commit: META.ostreeCommit ?? '', published: META.ostreeContentChecksum ?? '' },
  rebuilt: META.ostreeContentChecksum ?? '',
};
const DIFFERS: Partial<ComposeRebuild> = {
  ...{ verdict: 'differs', rebuilt: 'c'.repeat(64) },
  differences: { count: 2, paths: [{ path: '/usr/bin/app', kind: 'changed', package: 'app' }] },
};
const later = { finishedOn: '2026-11-22T00:00:00Z' };

let people: Record<'alice' | 'bob' | 'carol', TestRebuilder>;
let paths: BuildPaths;

beforeAll(async () => {
  const make = (name: string) => makeRebuilder({ url: 'http://localhost' }, dir, name);
  people = { alice: await make('alice'), bob: await make('bob'), carol: await make('carol') };
  paths = buildPaths(dir, META.buildid, META.basearch);
  mkdirSync(join(paths.dir, 'rebuilds'), { recursive: true });
});

const configOf = (...names: readonly (keyof typeof people)[]) => ({
  rebuilders: names.map((name) => ({ name, key: people[name].publicFile })),
  placeOf: () => ({ file: 'atomic-nightly.yaml' }),
});

let made = 0;

/** Has somebody say something of the build; gives the file below its folder, and the entry of its record. */
async function says(name: keyof typeof people, change: Partial<ComposeRebuild> = {}) {
  const signer = openStatementSigner({ type: 'key-file', keyFile: join(people[name].dir, 'key.pem') });
  const said = { ...SAID, ...change };
  made += 1;
  const statement = `rebuilds/${name}-${made}.intoto.jsonl`;
  await writeFile(join(paths.dir, statement), await signStatement(rebuildStatement(said), signer, testTask(dir)));
  return { by: name, verdict: said.verdict, at: said.finishedOn, statement, differences: said.differences.count };
}

type Said = Awaited<ReturnType<typeof says>>;

/** Asks for a release with these statements. */
const release = (
  needed: number,
  rebuilds: readonly Said[],
  names: readonly (keyof typeof people)[] = ['alice', 'bob'],
) => requireRebuilds({ meta: { ...META, rebuilds }, paths }, { needed, config: configOf(...names) });

describe('a release that others must have composed again', () => {
  it('is refused with exit code 12 until so many have, and says who is missing', async () => {
    const first = await says('alice');
    await expect(release(2, [first])).rejects.toMatchObject({
      code: 'gate-failed',
      message: expect.stringMatching(/needs 2 rebuilds by others, and only alice has .* Nothing came from bob\./),
    });
    await expect(release(2, [first, await says('alice', later)])).rejects.toThrow(/only alice has/);
    await expect(release(1, [])).rejects.toThrow(/nobody has .* Nothing came from alice, bob\./);
    await expect(release(2, [first, await says('bob')])).resolves.toBeUndefined();
  });

  it('is refused while one of them got another tree, whatever others say, until that one says otherwise', async () => {
    const all = [await says('alice'), await says('bob', DIFFERS)];
    for (const needed of [0, 1]) {
      await expect(release(needed, all)).rejects.toMatchObject({
        code: 'gate-failed',
        message: expect.stringMatching(/with another result:\n {2}bob: 2 paths differ, of app/),
      });
    }
    await expect(release(2, [...all, await says('bob', later)])).resolves.toBeUndefined();
  });

  it('believes no record: statements are verified again, with the keys of now', async () => {
    const own = await says('alice');
    const forged = { ...own, by: 'bob' as const };
    await expect(release(2, [own, forged])).rejects.toThrow(/only alice has/);
    const carols = await says('carol');
    await expect(release(1, [carols])).rejects.toThrow(/nobody has/);
    await copyFile(join(paths.dir, carols.statement), join(paths.dir, own.statement));
    await expect(release(1, [own])).rejects.toThrow(
      /no good signature by a rebuilder that is known here \(alice, bob\)/,
    );
  });

  it('costs nothing where nobody asks for it', async () => {
    await expect(release(0, [])).resolves.toBeUndefined();
  });
});

describe('statements of rebuilders', () => {
  it.each([
    [{ commit: 'e'.repeat(64) }, /another build: commit e+/],
    [{ published: 'e'.repeat(64), rebuilt: 'e'.repeat(64) }, /another build: content checksum e+/],
    [{ build: { ...SAID.build, id: '20261121_03' } }, /another build: build 20261121_03/],
    [{ build: { ...SAID.build, arch: 'aarch64' } }, /another build: architecture aarch64/],
  ])('count for the build that they are about alone: %j', async (change, message) => {
    const { statement } = await says('alice', change);
    const file = join(paths.dir, statement);
    const rebuilders = await readRebuilders(configOf('alice'));
    const content = await readFile(file);
    await expect(readStatement(content, file, { meta: META, rebuilders })).rejects.toThrow(message);
  });

  it('count once for each key', async () => {
    const config = configOf('alice', 'bob');
    const same = { ...config, rebuilders: config.rebuilders.map((one) => ({ ...one, key: people.alice.publicFile })) };
    await expect(readRebuilders(same)).rejects.toThrow(/alice and bob have the same key/);
    const secret = {
      ...config,
      rebuilders: [{ name: 'alice', key: join(dirname(people.alice.publicFile), 'key.pem') }],
    };
    await expect(readRebuilders(secret)).rejects.toThrow(/holds no public key on the curve P-256/);
  });
});
