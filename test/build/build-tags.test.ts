import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { refuseTagName, resolveBuildName } from '../../src/build/build-name.ts';
import { changeTags, surveyTags, whileTagsStay, writeTag } from '../../src/build/build-tags.ts';
import { tag as tagCommand } from '../../src/cli/commands/tag.ts';
import { surveyRecords } from '../../src/doctor/survey-records.ts';
import { pagesApp } from '../../src/service/live/live-app.ts';
import { openWork } from '../../src/service/live/work-folder.ts';
import { findGarbage } from '../../src/steps/collect/find-garbage.ts';
import { makePageBuilds, type PageBuilds } from '../support/page-builds.ts';
import { sharedFolder, temporaryFolder, testTask } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

const dir = sharedFolder();
const work = join(dir, 'work');
const tagFile = (name: string) => join(work, 'tags', `${name}.json`);
let builds: PageBuilds;
let [first, second]: [string, string] = ['', ''];

beforeAll(async () => {
  builds = await makePageBuilds(dir, 12, (config) =>
    config.replace('targets: [buildlogs]', 'targets: [buildlogs]\n    retention: {builds: 5}'),
  );
  [first, second] = [builds.ids[0] ?? '', builds.ids[1] ?? ''];
  for (const id of [first, second]) await mkdir(join(work, 'builds', id, 'x86_64/images'), { recursive: true });
});

type Asked = Partial<Parameters<typeof tagCommand.run>[0]>;

/** Runs the command in this process, and gives what it printed. */
async function tag(asked: Asked): Promise<string> {
  const printed: string[] = [];
  const none = { build: undefined, name: undefined, delete: undefined, by: undefined, reason: undefined };
  const { signal } = new AbortController();
  const context = {
    config: builds.config.path,
    logFormat: 'plain',
    print: (line: string) => printed.push(line),
    signal,
  } as const;
  expect(await tagCommand.run({ ...none, list: false, force: false, json: false, ...asked }, context)).toBe(0);
  return printed.join('\n');
}

test('a build has a name of its own wherever a build is asked for, in list, show, pages and the API', async () => {
  expect(await tag({ build: first, name: 'before-kernel', by: 'Jo', reason: 'last good one' })).toMatch(
    new RegExp(`^${first} is tagged before-kernel\\.\n`),
  );
  expect(JSON.parse(await readFile(tagFile('before-kernel'), 'utf8'))).toEqual({
    ...{ version: 1, name: 'before-kernel', build: first, at: expect.any(String), by: 'Jo', reason: 'last good one' },
  });
  const shown = await runCli(dir, ['show', 'before-kernel', '--no-updates']);
  expect(shown.stderr).toBe(`before-kernel is build ${first}\n`);
  expect(shown.stdout).toContain('\nTags:      before-kernel\n');
  expect((await runCli(dir, ['list'])).stdout).toMatch(new RegExp(`^${first} .* tagged before-kernel$`, 'm'));
  const app = pagesApp({ config: builds.config, work: openWork(work) });
  const get = async (path: string) => (await app.request(path)).text();
  expect(JSON.parse(await get(`/api/v1/builds/${first}`))).toMatchObject({ 'atomic-nightly.tags': ['before-kernel'] });
  for (const path of [`/builds/${first}/x86_64/`, '/streams/nightly/'])
    expect(await get(path), path).toContain('<span class="tag">before-kernel</span>');
  expect((await runCli(dir, ['completion-names', 'tag'])).stdout).toBe('before-kernel\n');
  expect(await tag({})).toMatch(/^TAG +BUILD +AGE +BY +REASON\nbefore-kernel +2026\d+_01 .* Jo +last good one$/);
});

test('a tag moves only when that is forced, and says whose it is', async () => {
  await tag({ build: first, name: 'moves' });
  await expect(tag({ build: second, name: 'moves' })).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining(`The tag "moves" belongs to build ${first}, given 20`),
  });
  expect(await tag({ build: first, name: 'moves' })).toContain('is tagged moves already');
  expect(await tag({ build: second, name: 'moves', force: true })).toContain(
    `moves is moved from ${first} to ${second}.`,
  );
  expect(await tag({ delete: 'moves' })).toBe('The tag moves is deleted.');
  expect(existsSync(tagFile('moves'))).toBe(false);
  await expect(tag({ delete: 'before-kernle' })).rejects.toThrow('Did you mean "before-kernel"?');
  await expect(tag({ build: first })).rejects.toMatchObject({ code: 'usage' });
});

test('a build with nothing to keep is refused, with the build whose tree it found', async () => {
  const unchanged = builds.ids.find((id) => builds.meta(id).state === 'unchanged') ?? '';
  const { ostreeCommit: parent } = builds.meta(second);
  const at = '2026-10-06T02:30:01.000Z';
  const seed = { at, event: 'done', step: 'seed', input: '', seconds: 1 } as const;
  const refused = () => tag({ build: unchanged, name: 'keeps-nothing' }).catch((error: unknown) => error);
  builds.write(builds.meta(unchanged), [{ ...seed, output: { parent } }]);
  expect(await refused()).toMatchObject({
    code: 'usage',
    message: `Build ${unchanged} has nothing that a tag keeps: there was nothing to build, and the tree stayed that of ${second}.`,
    hint: `Tag ${second} instead.`,
  });
  // The published commit may be of another machine.
  builds.write(builds.meta(unchanged), [{ ...seed, output: { parent: 'f'.repeat(64) } }]);
  expect(await refused()).toMatchObject({ code: 'usage', message: expect.stringMatching(/nothing to build\.$/) });
  expect(existsSync(tagFile('keeps-nothing'))).toBe(false);
});

test.each([
  ...['20261005_01', '20261005', '2026', '-1', 'latest', 'tested', 'Released', 'latest:nightly', 'constructor'],
  ...['a b', '../x', 'a/b', '1st', '', 'x'.repeat(64), 'ab'.repeat(32)],
])('what names builds already is no name of a tag: "%s"', (name) => {
  expect(() => refuseTagName(name)).toThrow(expect.objectContaining({ code: 'usage' }));
});

test('I8: gc gives up nothing of a tagged build, and says why', async () => {
  const found = await whileTagsStay(work, (tags) => findGarbage(builds.config, tags), testTask(dir));
  const images = found.items.filter(({ kind }) => kind === 'images').map(({ path }) => path);
  expect(images).toEqual([`builds/${second}/x86_64/images`]);
  expect(found.notes).toContain(`The images of ${first} stay: it is tagged before-kernel.`);
});

test('I8, I15: a damaged tag is named, keeps everything, and stops no other name', async () => {
  await writeFile(tagFile('bad'), '{"version":1,"name":"other"}');
  const { tags, damaged } = await surveyTags(work);
  expect([tags.map(({ name }) => name), damaged.map(({ name }) => name)]).toEqual([['before-kernel'], ['bad']]);
  const found = await findGarbage(builds.config, { tags, damaged });
  expect(found.items.filter(({ kind }) => kind === 'images' || kind === 'packages')).toEqual([]);
  expect(found.notes.join('\n')).toContain('No images of nightly are removed: ');
  expect(await resolveBuildName(work, 'before-kernel')).toBe(first);
  await expect(resolveBuildName(work, 'bad')).rejects.toMatchObject({ code: 'record' });
  await expect(tag({ build: first, name: 'bad' })).rejects.toMatchObject({ code: 'record' });
  expect(await tag({ build: second, name: 'bad', force: true })).toContain(`${second} is tagged bad.`);
  await writeFile(tagFile('bad'), '{"version":2}');
  expect(await tag({ list: true })).toContain('bad  damaged  ');
  const { refused } = await surveyRecords(work, []);
  expect(refused).toContainEqual(expect.objectContaining({ path: 'tags/bad.json', newerFormat: 2 }));
  await tag({ delete: 'bad' });
});

test.each([
  ['a file', (folder: string) => writeFile(folder, '')],
  ['a link that leads nowhere', (folder: string) => symlink('/nowhere/tags', folder)],
])('I8: %s in the place of the folder of tags keeps everything, and lets others go on', async (_, spoil) => {
  const aside = join(dir, 'aside');
  await rename(join(work, 'tags'), aside);
  await spoil(join(work, 'tags'));
  try {
    const { tags, damaged } = await surveyTags(work);
    expect([tags, damaged.map(({ error }) => error.code)]).toEqual([[], ['record']]);
    const found = await findGarbage(builds.config, { tags, damaged });
    expect(found.items.filter(({ kind }) => kind === 'images' || kind === 'packages')).toEqual([]);
    expect((await runCli(dir, ['list'])).stdout).toContain(first);
    expect(await tag({ list: true })).toContain(`damaged  ${join(work, 'tags')} is damaged`);
  } finally {
    await rm(join(work, 'tags'));
    await rename(aside, join(work, 'tags'));
  }
});

test('who deletes by tags and who changes them wait for each other; those who delete do not', async () => {
  const folder = temporaryFolder();
  const order: string[] = [];
  let goOn = (): void => undefined;
  const waiting = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const prune = (name: string) =>
    whileTagsStay(
      folder,
      async ({ tags }) => {
        await waiting;
        order.push(`${name} ${tags.length}`);
      },
      testTask(folder),
    );
  const [one, other] = [prune('one'), prune('other')];
  const change = changeTags(
    folder,
    () => writeTag(folder, { name: 'x', build: '20261005_01', at: new Date().toISOString() }),
    () => goOn(),
    testTask(folder),
  );
  await Promise.all([one, other, change]);
  await whileTagsStay(folder, async ({ tags }) => order.push(`later ${tags.length}`), testTask(folder));
  expect(order.slice(0, 2).sort()).toEqual(['one 0', 'other 0']);
  expect(order[2]).toBe('later 1');
});
