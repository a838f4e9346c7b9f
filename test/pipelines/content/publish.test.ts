import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { readHistory } from '../../../src/content/tag-history.ts';
import { readTagState } from '../../../src/content/tag-state.ts';
import { contentWorld, namedIn, RELEASE, TESTING } from '../../support/content-world.ts';
import { tagBuild, untagBuild } from '../../support/koji-admin.ts';
import { buildForKoji, importBuilds } from '../../support/koji-material.ts';
import { serveFolder } from '../../support/nginx.ts';
import { dnfInstall } from '../../support/rpm-client.ts';
import { sharedFolder } from '../../support/tmp.ts';
import { type CliResult, runCli } from '../../support/world.ts';

const dir = sharedFolder();
await mkdir(join(dir, 'published'));
const server = await serveFolder({ root: join(dir, 'published') });
const world = await contentWorld(dir, { url: server.url });
const { hub, key } = world;
afterAll(async () => {
  await server.stop();
  await hub.close();
});
const CEPH = 'ceph-1.0-1.el8';
const TOOLS = 'tools-1.0-1.el8';
await importBuilds(hub, [
  await buildForKoji(join(dir, 'ceph'), 'ceph'),
  await buildForKoji(join(dir, 'tools'), 'tools'),
]);
await hub.transaction(async (state, say) => {
  for (const tag of [RELEASE, TESTING]) await tagBuild(state, tag, CEPH, say);
  await tagBuild(state, RELEASE, TOOLS, say);
});

const START = 1_800_000_000;
const DAY = 86_400;
const X86 = 'SIGs/8/storage/x86_64/ceph';
const at = (...path: string[]) => join(world.published, ...path);

beforeEach(() => {
  hub.calls.length = 0;
});

it('push: false makes and checks everything and sends nothing; then true sends it, and nothing is signed twice', async () => {
  expect(await world.sync()).toMatchObject({ state: 'made', added: 8 });
  expect(await readdir(world.published)).toEqual([]);
  hub.calls.length = 0;
  const published = await world.sync(RELEASE, { push: true, now: START });
  expect(published).toMatchObject({ state: 'published', added: 0 });
  // As a client that has none of them.
  expect(published.lines).toContain('verify: all 4');
  expect(hub.calls).not.toContain('addRPMSig');
  expect([...(await namedIn(at(X86))).keys()].sort()).toEqual([
    'Packages/c/ceph-1.0-1.el8.x86_64.rpm',
    'Packages/c/ceph-common-1.0-1.el8.noarch.rpm',
    'Packages/t/tools-1.0-1.el8.x86_64.rpm',
    'Packages/t/tools-common-1.0-1.el8.noarch.rpm',
  ]);
  for (const folder of ['SIGs/8/storage/aarch64/ceph', 'debug/8/storage/x86_64/ceph', 'source/8/storage/ceph']) {
    expect(existsSync(at(folder, 'repodata/repomd.xml.asc'))).toBe(true);
  }
  expect((await readHistory(world.file(RELEASE))).map(({ pushed }) => pushed)).toEqual([false, true]);
});

it('I6: dnf installs from release with gpgcheck and repo_gpgcheck; noarch is in each architecture', async () => {
  const { code, words, root } = await dnfInstall(
    dir,
    { url: `${server.url}/${X86}`, key: key.publicKeyFile },
    'ceph',
    'ceph-common',
  );
  expect([code, words]).toEqual([0, expect.stringContaining('Complete!')]);
  expect(existsSync(join(root, 'usr/share/ceph/common'))).toBe(true);
  expect([...(await namedIn(at('SIGs/8/storage/aarch64/ceph'))).keys()]).toContain(
    'Packages/c/ceph-common-1.0-1.el8.noarch.rpm',
  );
});

it('testing is published with signed metadata and packages as koji built them', async () => {
  expect(await world.sync(TESTING, { push: true, now: START })).toMatchObject({ state: 'published', added: 2 });
  expect((await namedIn(at('test/8/storage/x86_64/ceph'))).size).toBe(2);
  expect(existsSync(at('test/8/storage/x86_64/ceph/repodata/repomd.xml.asc'))).toBe(true);
});

it('C5: untagged, a build leaves the metadata at once, and its files when their time is over', async () => {
  const file = at(X86, 'Packages/t/tools-1.0-1.el8.x86_64.rpm');
  await hub.transaction((state, say) => untagBuild(state, RELEASE, TOOLS, say));
  expect(await world.sync(RELEASE, { push: true, now: START + 60 })).toMatchObject({ state: 'published', removed: 4 });
  expect([...(await namedIn(at(X86))).keys()]).not.toContain('Packages/t/tools-1.0-1.el8.x86_64.rpm');
  expect(existsSync(file)).toBe(true);
  expect((await readTagState(world.file(RELEASE)))?.waiting).toBeGreaterThan(0);
  expect(await world.sync(RELEASE, { push: true, now: START + DAY })).toMatchObject({ state: 'unchanged' });
  expect(existsSync(file)).toBe(true);
  expect(await world.sync(RELEASE, { push: true, now: START + 61 + DAY })).toMatchObject({ state: 'unchanged' });
  expect(existsSync(file)).toBe(false);
  expect((await readTagState(world.file(RELEASE)))?.waiting).toBe(0);
});

it('C4: a build that comes back is published under its name with the same bytes', async () => {
  const before = (await namedIn(at(X86))).size;
  await hub.transaction((state, say) => tagBuild(state, RELEASE, TOOLS, say));
  expect(await world.sync(RELEASE, { push: true, now: START + 3 * DAY })).toMatchObject({
    state: 'published',
    added: 4,
  });
  expect((await namedIn(at(X86))).size).toBe(before + 2);
  expect(hub.calls).not.toContain('addRPMSig');
});

it('a rule whose path changes is refused where the tag was published, until somebody confirms it', async () => {
  const config = await readFile(world.configFile, 'utf8');
  await writeFile(world.configFile, config.replace('path: test/<release>', 'path: tests/<release>'));
  const later = { push: true, now: START + 4 * DAY };
  await expect(world.sync(TESTING, later)).rejects.toMatchObject({
    code: 'gate-failed',
    message: expect.stringMatching(
      /does not publish it any more:\n {2}test\/8\/storage\/x86_64\/ceph on target "mirror"$/,
    ),
  });
  expect(existsSync(at('tests'))).toBe(false);
  const left = [{ target: 'mirror', folder: 'test/8/storage/x86_64/ceph' }];
  const confirmed = await world.sync(TESTING, { ...later, acceptRemovals: true });
  expect(confirmed).toMatchObject({ state: 'published', left });
  // All of it is in the new place, and dnf has used it there.
  const moved = await namedIn(at('tests/8/storage/x86_64/ceph'));
  expect(moved.size).toBe(2);
  for (const path of moved.keys()) expect(existsSync(at('tests/8/storage/x86_64/ceph', path)), path).toBe(true);
  expect(await world.sync(TESTING, later)).toMatchObject({ state: 'unchanged', left });
  // It is named until it is gone; nobody else removes it.
  const status = async () => (await runCli(dir, ['content', 'status'])).stdout;
  expect(await status()).toContain(
    `${TESTING} was published in directory ${at('test/8/storage/x86_64/ceph')} before: what is there stays as it is.`,
  );
  await rm(at('test'), { recursive: true });
  expect(await world.sync(TESTING, later)).toMatchObject({ state: 'unchanged', left: [] });
  expect(await status()).not.toContain('was published in');
});

it('C1: of two machines that publish a tag, who read it first replaces nothing of what the other read later', async () => {
  const other = join(dir, 'other.yaml');
  const config = await readFile(world.configFile, 'utf8');
  await writeFile(other, config.replace('name: lab\n', 'name: lab\nwork: ./work-of-the-other\n'));
  await importBuilds(hub, [
    await buildForKoji(join(dir, 'first'), 'first'),
    await buildForKoji(join(dir, 'second'), 'second'),
  ]);
  await hub.transaction((state, say) => tagBuild(state, TESTING, 'first-1.0-1.el8', say));
  let meanwhile: CliResult | undefined;
  let hasBegun = false;
  // As soon as this one has read the tag and fetches what is in it, the other begins and comes to its end.
  hub.onFile = async () => {
    if (hasBegun) return undefined;
    hasBegun = true;
    await hub.transaction((state, say) => tagBuild(state, TESTING, 'second-1.0-1.el8', say));
    meanwhile = await runCli(dir, ['--config', other, 'content', 'sync', TESTING]);
    return undefined;
  };
  const later = { push: true, now: Math.floor(Date.now() / 1000) };
  await expect(world.sync(TESTING, later)).rejects.toMatchObject({
    code: 'target-moved',
    message: expect.stringMatching(/ceph on target "mirror" is as of .*: another machine publishes there\.$/),
  });
  hub.onFile = undefined;
  expect(meanwhile?.code, meanwhile?.stderr).toBe(0);
  const names = async () => [...(await namedIn(at('tests/8/storage/x86_64/ceph'))).keys()].sort();
  const both = await names();
  expect(both).toEqual(expect.arrayContaining([expect.stringMatching('/first-1'), expect.stringMatching('/second-1')]));
  expect(await world.sync(TESTING, later)).toMatchObject({ state: 'published' });
  expect(await names()).toEqual(both);
});
