import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { armoredSignature } from '../../src/base/openpgp-packets.ts';
import { openProject, type Project } from '../../src/run/project.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { pruneConfigured } from '../../src/steps/deliver/prune-targets.ts';
import { reconcile } from '../../src/steps/deliver/reconcile.ts';
import { fetchRecords } from '../../src/steps/images/fetch-build.ts';
import { everyCase } from '../support/every-case.ts';
import { type FileKey, gpgv, makeFileKey } from '../support/openpgp-key.ts';
import { expectSilence } from '../support/silence.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { makeWorld, type World } from '../support/world.ts';

const INDEX = 'builds/builds.json';
const DAY = 86_400;

let world: World;
let project: Project;
let [ours, others]: (FileKey | undefined)[] = [];
let builds: string[] = [];

/** Two nights of a stream that signs, published to a folder; each test gets the folder as it was. */
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  ours = await makeFileKey(dir);
  others = await makeFileKey(dir, { name: 'others' });
  await mkdir(join(dir, 'world'));
  world = await makeWorld(join(dir, 'world'), {
    stream: [`signing: {type: openpgp, key-file: ${ours.keyFile}, passphrase-file: ${ours.passphrase.file}}`],
    target: (folder, url) =>
      `{type: directory, path: ${folder}, url: '${url}', retention: {refs: {'*': {depth: 9}}, logs: 1d}}`,
  });
  for (const night of [1, 2]) {
    if (night > 1) await world.distro.bump('app');
    const done = await world.nightly('nightly', '--json');
    expect(done, done.stderr).toMatchObject({ code: 0 });
    builds.push(JSON.parse(done.stdout).build);
  }
  builds = builds.sort();
  project = await openProject(world.config, 'nightly');
  await cp(world.published, `${world.dir}/kept`, { recursive: true });
  return async () => {
    await world.stop();
    await rm(dir, { recursive: true });
  };
}, 240_000);

beforeEach(async () => {
  for (const name of await readdir(world.published)) await rm(join(world.published, name), { recursive: true });
  await cp(`${world.dir}/kept`, world.published, { recursive: true });
});

const record = () => `builds/${builds[0]}/x86_64/meta.json`;
const at = (path: string) => join(world.published, path);
const text = (path: string) => readFile(at(path), 'utf8');

async function sign(path: string, key: FileKey | undefined): Promise<void> {
  if (!key) throw new Error('no key');
  const signature = await openSigner(key).sign(await readFile(at(path)), testTask(temporaryFolder()));
  await writeFile(`${at(path)}.asc`, armoredSignature(signature));
}

/** What a prune forty days from now would do, and said. */
async function pruneLater() {
  const task = testTask(temporaryFolder());
  const [target] = project.targets;
  const now = Math.floor(Date.now() / 1000) + 40 * DAY;
  const { plan } = await pruneConfigured(project.config, target, { dryRun: true, now }, task);
  return { gone: plan.builds.files.map(({ path }) => path), said: task.lines.join('\n') };
}

async function repair(dryRun: boolean) {
  const target = project.config.targets['buildlogs'];
  if (!target) throw new Error('no target');
  const options = { dryRun, checksums: false, signBuilds: false };
  return reconcile(project.config, target, options, testTask(temporaryFolder()));
}

/** Ways to leave a file of the target without a good signature; each keeps its size. */
const WAYS: readonly (readonly [string, (path: string) => Promise<void>])[] = [
  ['changed under its signature', async () => undefined],
  ['changed, and its signature removed', (path) => rm(`${at(path)}.asc`)],
  ['changed, and signed by somebody else', (path) => sign(path, others)],
  ['changed, with a signature that is none', (path) => writeFile(`${at(path)}.asc`, 'no signature')],
];

/** Changes one letter that means nothing. */
async function change(path: string): Promise<void> {
  const before = await text(path);
  const after = before.replace(
    /("(?:timestamp|rpm-ostree-inputhash)": ").(.)/,
    (_, start, next) => `${start}0${next === '0' ? '1' : '0'}`,
  );
  expect(after).not.toBe(before);
  expect(after).toHaveLength(before.length);
  await writeFile(at(path), after);
}

it('I12: a record that is signed decides what a prune removes', async () => {
  const { gone } = await pruneLater();
  expect(gone).not.toEqual([]);
  expect(gone.every((path) => path.startsWith(`builds/${builds[0]}/x86_64/logs/`))).toBe(true);
});

it.each(everyCase ? WAYS : WAYS.slice(0, 2))(
  'I8, I12: a record %s decides nothing: it is named, its build keeps all, and a repair puts it back',
  async (way, spoil) => {
    await change(record());
    await spoil(record());
    const { gone, said } = await pruneLater();
    expect(gone).toEqual([]);
    expect(said).toContain(
      `${record()} on target "buildlogs" is damaged: it has no good signature by a key of a stream that publishes there. Nothing of that build is removed.`,
    );
    const due = (await repair(true)).phases.flatMap(({ files }) => files.map(({ path }) => path));
    expect(due).toContain(record());
    await repair(false);
    if (way === WAYS[0]?.[0]) await expectSilence(world);
    expect((await pruneLater()).gone).not.toEqual([]);
  },
);

it.each(everyCase ? WAYS : WAYS.slice(0, 2))(
  'I8, I12: an index %s decides nothing: no prune by it, and a repair makes it from the records',
  async (way, spoil) => {
    const before = JSON.parse(await text(INDEX));
    await change(INDEX);
    await spoil(INDEX);
    await expect(pruneLater()).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining(`${INDEX} on target "buildlogs" is damaged: it has no good signature`),
      hint: expect.stringContaining('publish --reconcile'),
    });
    expect((await repair(true)).remove.map(({ path }) => path)).toEqual([INDEX]);
    await repair(false);
    expect(JSON.parse(await text(INDEX)).builds).toEqual(before.builds);
    if (way === WAYS[0]?.[0]) await expectSilence(world);
  },
);

it('I12: no index names a build whose record nobody signed, and the record is named', async () => {
  const stray = 'builds/20250101_01/x86_64/meta.json';
  await mkdir(join(at(stray), '..'), { recursive: true });
  await writeFile(at(stray), (await text(record())).replaceAll(builds[0] ?? '', '20250101_01'));
  await rm(at(INDEX));
  const plan = await repair(true);
  expect(plan.index.map(({ id }) => id)).toEqual(builds);
  expect(plan.unrepairable).toMatchObject([
    {
      what: stray,
      why: 'it has no good signature by a key of a stream that publishes there, so the index does not name that build',
    },
  ]);
  await sign(stray, ours);
  expect((await repair(true)).index.map(({ id }) => id)).toEqual(['20250101_01', ...builds]);
});

it.runIf(everyCase)(
  'I12: of what a hostile list of checksums names nothing is fetched, whether it is signed or not',
  async () => {
    const sums = `builds/${builds[0]}/x86_64/SHA256SUMS`;
    const guard = join(world.dir, 'guard');
    await mkdir(guard, { recursive: true });
    await writeFile(join(guard, 'file'), 'untouched');
    onTestFinished(() => rm(guard, { recursive: true }));
    const elsewhere = { ...project, config: { ...project.config, work: join(world.dir, 'elsewhere') } };
    const fetch = () => fetchRecords(elsewhere, builds[0] ?? '', testTask(temporaryFolder()));
    await fetch();
    const good = await text(sums);
    const digest = 'ab'.repeat(32);
    for (const path of ['../../../../guard/file', '/etc/hostname', 'images/../../../guard', '']) {
      await writeFile(at(sums), `${good}${digest}  ${path}\n`);
      await expect(fetch(), path).rejects.toMatchObject({
        code: 'target-moved',
        message: expect.stringContaining(sums),
      });
      await sign(sums, ours);
      await expect(fetch(), path).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining(sums),
      });
    }
    const found = await world.nightly('verify', '--json');
    expect(found.code).not.toBe(0);
    expect(found.stdout).toContain('SHA256SUMS');
    // Another digest for a record that is named, signed with the right key: what it names does not fit.
    await writeFile(at(sums), good.replace(/^[0-9a-f]{64} {2}lockfile/m, `${digest}  lockfile`));
    await sign(sums, ours);
    await expect(fetch()).rejects.toMatchObject({ code: 'verify', message: expect.stringContaining('lockfile.json') });
    expect(await readdir(guard)).toEqual(['file']);
    expect(await readFile(join(guard, 'file'), 'utf8')).toBe('untouched');
    expect(existsSync(join(world.dir, 'elsewhere/guard'))).toBe(false);
    await repair(false);
    expect(await text(sums)).toBe(good);
  },
);

/** What a prune in forty days does, or would. */
async function prune(dryRun: boolean, now = Math.floor(Date.now() / 1000) + 40 * DAY) {
  const task = testTask(temporaryFolder());
  const { plan } = await pruneConfigured(project.config, project.targets[0], { dryRun, now }, task);
  return { goes: [...plan.decision.goes.keys()] };
}

const isSigned = async (path: string) => (await gpgv(ours?.publicFile ?? '', `${at(path)}.asc`, at(path))).code === 0;

it('I8, I12: what a prune remembers is signed, and nothing that nobody signed makes it remove a commit', async () => {
  const RETIRED = 'builds/retired.json';
  await prune(false);
  expect(await isSigned(RETIRED)).toBe(true);
  const before = await text(RETIRED);
  await prune(false);
  expect(await text(RETIRED)).toBe(before);
  await expectSilence(world);

  // A commit that no ref names: somebody else's, which is only there.
  const index = JSON.parse(await text(INDEX));
  const commit: string = JSON.parse(await text(record()))['ostree-commit'];
  const entry = { ref: '', timestamp: 1, since: '2020-01-01T00:00:00Z', tree: 'cd'.repeat(32), meta: 'cd'.repeat(32) };
  const hostile = JSON.stringify({ commits: { ['ab'.repeat(32)]: entry, [commit]: entry }, apart: {}, builds: {} });
  for (const spoil of [
    () => rm(`${at(RETIRED)}.asc`),
    () => sign(RETIRED, others),
    () => writeFile(`${at(RETIRED)}.asc`, 'no signature'),
  ]) {
    await writeFile(at(RETIRED), hostile);
    await spoil();
    expect((await prune(true)).goes).toEqual([]);
    await prune(false);
    expect(await isSigned(RETIRED)).toBe(true);
    expect(await text(RETIRED)).not.toContain('ab'.repeat(32));
    expect(JSON.parse(await text(INDEX)).builds).toEqual(index.builds);
  }
  await expectSilence(world);
});

it('I8, I12: an unsigned retired.json of an earlier version holds as far as our own commits go, with a new grace period', async () => {
  const RETIRED = 'builds/retired.json';
  const commit: string = JSON.parse(await text(record()))['ostree-commit'];
  const { tree, meta } = { tree: 'cd'.repeat(32), meta: 'cd'.repeat(32) };
  const early = { ref: 'mini/x86_64/nightly', timestamp: 1, since: '2020-01-01T00:00:00Z', tree, meta };
  const marks = { [`${builds[0]}/x86_64`]: { logs: '2026-01-01T00:00:00Z' } };
  await writeFile(at(RETIRED), JSON.stringify({ commits: { [commit]: early }, apart: {}, builds: marks }));
  const target = project.config.targets['buildlogs'];
  const retention = target?.retention;
  if (!target || !retention) throw new Error('no retention');
  const config = {
    ...project.config,
    targets: { buildlogs: { ...target, retention: { ...retention, refs: [{ pattern: '*', depth: 1 }] } } },
  };
  const task = testTask(temporaryFolder());
  const now = Math.floor(Date.now() / 1000) + 40 * DAY;
  const first = await pruneConfigured(config, project.targets[0], { dryRun: false, now }, task);
  expect([...first.plan.decision.goes.keys()]).toEqual([]);
  expect(JSON.parse(await text(RETIRED))).toMatchObject({
    commits: { [commit]: { since: new Date(now * 1000).toISOString() } },
    builds: marks,
  });
  expect(await text(RETIRED)).not.toContain(tree);
  expect(await isSigned(RETIRED)).toBe(true);
});

it('I8, I12: a prune stops at a summary that nobody signed', async () => {
  const kept = join(project.config.work, 'signatures');
  await rename(kept, `${kept}-aside`);
  onTestFinished(() => rename(`${kept}-aside`, kept));
  await rm(at('repo/summary.sig'));
  await expect(prune(true)).rejects.toMatchObject({
    code: 'ostree',
    message: expect.stringContaining('its repo/summary has no good signature'),
  });
});
