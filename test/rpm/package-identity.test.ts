import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { sha256 } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { headerDifferences } from '../../src/rpm/header-differences.ts';
import { readPackageIdentity } from '../../src/rpm/package-identity.ts';
import { readRpmStart } from '../../src/rpm/signature/rpm-signature.ts';
import { tagName } from '../../src/rpm/signature/tag-names.ts';
import { fuzzAsync, mutatedBytes } from '../support/fuzz.ts';
import { buildMiniRpm, type MiniRecipe } from '../support/mini-rpm.ts';
import { sharedFolder } from '../support/tmp.ts';

const dir = sharedFolder();
const RECIPE: MiniRecipe = {
  ...{ name: 'identity', epoch: 2, version: '1.0', release: '1', arch: 'x86_64' },
  files: [
    { path: '/usr/bin/identity', text: '#!/bin/sh\necho honest\n', mode: '0755' },
    { path: '/usr/share/identity/data', text: 'data\n' },
  ],
};
const TAMPERED: MiniRecipe = {
  ...RECIPE,
  files: [{ path: '/usr/bin/identity', text: '#!/bin/sh\necho tampered\n', mode: '0755' }, ...RECIPE.files.slice(1)],
};

const rpmSays = async (path: string, tag: string): Promise<string> =>
  (await run('rpm', ['-qp', '--nosignature', '--queryformat', `%{${tag}}`, path])).stdout;

let [plain, signed, tampered] = ['', '', ''];
beforeAll(async () => {
  plain = await buildMiniRpm(RECIPE);
  signed = await buildMiniRpm(RECIPE, { signed: true });
  tampered = await buildMiniRpm(TAMPERED);
});

describe('I18: a package is what its bytes say', () => {
  test('the digest is the one that rpm computes, and signing does not change it', async () => {
    const identity = await readPackageIdentity(plain);
    expect(identity.header).toBe(await rpmSays(plain, 'SHA256HEADER'));
    expect(identity).toMatchObject({ nevra: 'identity-2:1.0-1.x86_64', name: 'identity', epoch: '2', arch: 'x86_64' });
    expect(identity.sha256).toBe(sha256(await readFile(plain)));
    const again = await readPackageIdentity(signed);
    expect(again.header).toBe(identity.header);
    expect(again.sha256).not.toBe(identity.sha256);
  });

  test('a digest that the file claims in its signature header counts for nothing', async () => {
    const bytes = await readFile(tampered);
    const claimed = Buffer.from(await rpmSays(tampered, 'SHA256HEADER'));
    const honest = (await readPackageIdentity(plain)).header;
    bytes.write(honest, bytes.indexOf(claimed));
    const path = join(dir, 'claims.rpm');
    await writeFile(path, bytes);
    expect(await rpmSays(path, 'SHA256HEADER').catch(() => honest)).toBe(honest);
    expect((await readPackageIdentity(path)).header).toBe(claimed.toString());
  });

  test('an honest header over another payload is refused', async () => {
    const path = join(dir, 'payload.rpm');
    await copyFile(plain, path);
    const bytes = await readFile(path);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 20) ^ 1, bytes.length - 20);
    await writeFile(path, bytes);
    await expect(readPackageIdentity(path)).rejects.toMatchObject({
      code: 'verify',
      message: expect.stringMatching(/payload\.rpm is not the package .* its payload has another digest/),
    });
    await writeFile(path, bytes.subarray(0, bytes.length - 100));
    await expect(readPackageIdentity(path)).rejects.toMatchObject({ code: 'verify' });
  });

  test('fuzz: of damaged files nothing is read, or what is there', async () => {
    const bytes = await readFile(plain);
    const header = (await readRpmStart(plain)).header;
    const path = join(dir, 'fuzzed.rpm');
    const read = async (content: Uint8Array) => {
      await writeFile(path, content);
      return { content, identity: await readPackageIdentity(path) };
    };
    await fuzzAsync(mutatedBytes([bytes]), read, {
      runs: 200,
      check: ({ content, identity }) => {
        if (Buffer.from(content).includes(header)) expect(identity.nevra).toBe('identity-2:1.0-1.x86_64');
        else expect(identity.header).not.toBe(sha256(header));
      },
    });
  });
});

describe('what two packages differ in', () => {
  test('equal headers in nothing, signed or not; others by tag and file', async () => {
    expect(await headerDifferences(plain, signed)).toEqual([]);
    const found = await headerDifferences(plain, tampered);
    const byTag = new Map(found.map((one) => [one.tag, one]));
    expect([...byTag.keys()]).toEqual(expect.arrayContaining(['FILEDIGESTS', 'FILESIZES', 'PAYLOADDIGEST']));
    expect(byTag.get('FILEDIGESTS')).toMatchObject({ count: 1, files: ['/usr/bin/identity'] });
    expect(byTag.has('BUILDTIME')).toBe(false);
  });

  test('tags have the names that rpm has for them', async () => {
    const known = new Set((await run('rpm', ['--querytags'])).stdout.split('\n'));
    const names = (await headerDifferences(plain, await buildMiniRpm({ ...RECIPE, name: 'other', post: 'true' }))).map(
      ({ tag }) => tag,
    );
    expect(names).toEqual(expect.arrayContaining(['NAME', 'POSTIN']));
    expect(names.filter((name) => !known.has(name) && !name.startsWith('TAG '))).toEqual([]);
    expect(tagName(4711)).toBe('TAG 4711');
  });
});
