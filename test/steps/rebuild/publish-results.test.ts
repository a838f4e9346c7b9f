import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256File } from '../../../src/base/files.ts';
import { readPackageIdentity } from '../../../src/rpm/package-identity.ts';
import { localRepository, REPOMD, readPackageDigests } from '../../../src/rpm/repository/package-digests.ts';
import { publishResults } from '../../../src/steps/rebuild/publish-results.ts';
import { buildMiniRpm, type MiniRecipe } from '../../support/mini-rpm.ts';
import { serveFolder } from '../../support/nginx.ts';
import { makeFileKey } from '../../support/openpgp-key.ts';
import { sharedFolder, testTask } from '../../support/tmp.ts';
import { NOON, type RebuildWorld, rebuildWorld } from '../../support/trust-world.ts';

const recipe = (name: string, text = name): MiniRecipe => ({
  ...{ name, version: '1.0', release: '1', arch: 'x86_64' },
  files: [{ path: `/usr/bin/${name}`, text, mode: '0755' }],
});

const dir = sharedFolder();
const published = join(dir, 'published');
let world: RebuildWorld;
let stop: () => Promise<void>;
beforeAll(async () => {
  mkdirSync(published);
  const server = await serveFolder({ root: published });
  stop = () => server.stop();
  const key = await makeFileKey(dir, { name: 'rebuilds' });
  const signing = `{type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}`;
  world = await rebuildWorld(dir, {
    url: server.url,
    more: `  publish: {target: mirror, signing: ${signing}}\n`,
    rates: '{new: 1, proven: 0, sponsor: 0}',
  });
});
afterAll(() => stop());

/** Names of the packages that clients see. */
async function visible(): Promise<string[]> {
  const folder = join(published, 'rebuilds/x86_64');
  const repomd = readFileSync(join(folder, REPOMD), 'utf8');
  const digests = await readPackageDigests(repomd, localRepository(folder), testTask(dir));
  for (const [path, digest] of digests) expect(`sha256:${await sha256File(join(folder, path))}`).toBe(digest);
  return [...digests.keys()].map((path) => path.replace(/^.*\/([a-z]+)-1\.0.*$/, '$1')).sort();
}

describe('I18: the repository of rebuilt packages', () => {
  test('has what is accepted, signed, as dnf gets it; nothing disputed, scratch, or still to be confirmed', async () => {
    const task = testTask(dir);
    const rpm = async (name: string, text?: string) => buildMiniRpm(recipe(name, text));
    const good = [await rpm('hello')];
    const first = await world.submit({ builder: 'alpha', rpms: good });
    const wanted = await world.submit({ builder: 'alpha', rpms: [await rpm('waits')], source: 'waits' });
    await world.submit({ builder: 'alpha', rpms: [await rpm('scratch')], source: 'scratch', scratch: true });
    await world.submit({ builder: 'alpha', rpms: [await rpm('disputed')], source: 'disputed' });
    await world.submit({ builder: 'beta', rpms: [await rpm('disputed', 'other')], source: 'disputed' });
    expect(await publishResults(world.config, task, NOON)).toEqual({
      packages: 0,
      changed: ['rebuilds/x86_64', 'rebuilds/x86_64-debug'],
    });
    expect(await visible()).toEqual([]);

    const job = first.duplicate?.job ?? '';
    await world.submit({ builder: 'beta', rpms: good, job, duplicateOf: first.result.job });
    expect(await publishResults(world.config, task, NOON + 1)).toEqual({ packages: 1, changed: ['rebuilds/x86_64'] });
    expect(await visible()).toEqual(['hello']);
    const signed = await readPackageIdentity(join(published, 'rebuilds/x86_64/Packages/h/hello-1.0-1.x86_64.rpm'));
    expect(signed.header).toBe(first.result.packages[0]?.header);
    expect(signed.sha256).not.toBe(first.result.packages[0]?.sha256);
    expect((await publishResults(world.config, task, NOON + 2)).changed).toEqual([]);

    // A third operator that differs: what was published leaves the repository until a person has looked at it.
    await world.submit({ builder: 'gamma', rpms: [await rpm('hello', 'other')] });
    expect(await publishResults(world.config, task, NOON + 3)).toEqual({ packages: 0, changed: ['rebuilds/x86_64'] });
    expect(await visible()).toEqual([]);
    expect(wanted.standing).toBe('duplicate-wanted');
  });
});
