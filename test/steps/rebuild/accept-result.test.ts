import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { addToLedger, levelOf } from '../../../src/rebuild/builder-ledger.ts';
import { readDispute } from '../../../src/rebuild/dispute-record.ts';
import { dueDuplicates, mayDuplicate } from '../../../src/rebuild/duplicates.ts';
import { classIn, readClass } from '../../../src/rebuild/package-classes.ts';
import { agreementOn } from '../../../src/rebuild/quorum.ts';
import { packagePath, resultFolder } from '../../../src/rebuild/rebuild-folder.ts';
import { readKeptResults } from '../../../src/rebuild/result-store.ts';
import { acceptResult } from '../../../src/steps/rebuild/accept-result.ts';
import { resolveDispute } from '../../../src/steps/rebuild/resolve-dispute.ts';
import { buildMiniRpm, type MiniRecipe } from '../../support/mini-rpm.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import { NOON, type RebuildWorld, rebuildWorld } from '../../support/trust-world.ts';

const recipe = (says: string): MiniRecipe => ({
  ...{ name: 'hello', version: '1.0', release: '1', arch: 'x86_64' },
  files: [
    { path: '/usr/bin/hello', text: `#!/bin/sh\necho ${says}\n`, mode: '0755' },
    { path: '/usr/share/hello/data', text: 'data\n' },
  ],
});

let [honest, tampered, third] = ['', '', ''];
beforeAll(async () => {
  honest = await buildMiniRpm(recipe('honest'));
  tampered = await buildMiniRpm(recipe('tampered'));
  third = await buildMiniRpm(recipe('third'));
});

const ALWAYS = { rates: '{new: 1, proven: 0, sponsor: 0}' };
const standings = async (world: RebuildWorld) =>
  (await world.judged()).map(({ result, standing }) => `${result.builder} ${standing}`).sort();

describe('I18: a result of a builder', () => {
  test('is refused when another key signed it, when a file is not what it says, and when its job has one', async () => {
    const world = await rebuildWorld(temporaryFolder());
    const task = testTask(world.dir);
    const refused = async (given: Parameters<RebuildWorld['submit']>[0]) =>
      world.submit(given).catch((error: Error) => error.message);
    expect(await refused({ builder: 'alpha', rpms: [honest], signedBy: world.keys.beta })).toMatch(
      /not signed by the key of alpha/,
    );
    const swapped = await world.result({ builder: 'alpha', rpms: [honest] });
    const [file] = swapped.packages;
    if (!file) throw new Error('no package');
    copyFileSync(tampered, await packagePath(world.config.work, swapped.job, file));
    await expect(acceptResult(world.config, swapped, task, NOON)).rejects.toMatchObject({ code: 'package-missing' });
    // A result that names the header of another file.
    const lying = await world.result({ builder: 'alpha', rpms: [tampered] });
    const other = await world.result({ builder: 'alpha', rpms: [honest] });
    const packages = lying.packages.map((one) => ({ ...one, header: other.packages[0]?.header ?? '' }));
    await expect(acceptResult(world.config, { ...lying, packages }, task, NOON)).rejects.toMatchObject({
      code: 'verify',
    });
    const borrowed = { ...(await world.result({ builder: 'alpha', rpms: [honest] })), operator: 'two.example' };
    await expect(acceptResult(world.config, borrowed, task, NOON)).rejects.toMatchObject({ code: 'verify' });
    expect((await readKeptResults(world.config.work)).results).toEqual([]);

    const { result } = await world.submit({ builder: 'alpha', rpms: [honest] });
    expect(await refused({ builder: 'alpha', rpms: [tampered], job: result.job })).toMatch(
      /has a result of alpha already/,
    );
    expect(await refused({ builder: 'beta', rpms: [honest], job: result.job })).toMatch(
      /has a result of alpha already/,
    );
    expect((await acceptResult(world.config, result, task, NOON + 9)).standing).toBe('accepted');
    expect(await standings(world)).toEqual(['alpha accepted']);
  });

  test('is drawn after it was signed; the duplicate is a job like any other, at another operator', async () => {
    const world = await rebuildWorld(temporaryFolder(), ALWAYS);
    const first = await world.submit({ builder: 'beta', rpms: [honest] });
    expect(first).toMatchObject({
      standing: 'duplicate-wanted',
      duplicate: { job: expect.stringMatching(/^[0-9a-f]{32}$/) },
    });
    const again = await acceptResult(world.config, first.result, testTask(world.dir), NOON + 500);
    expect(again.duplicate).toEqual(first.duplicate);
    const [due] = dueDuplicates((await readKeptResults(world.config.work)).results);
    expect(due).toMatchObject({ ...first.duplicate, operators: ['two.example'] });
    expect(due?.job).not.toBe(first.result.job);
    expect(
      world.config.builders.machines.filter((one) => due && mayDuplicate(one, due)).map(({ name }) => name),
    ).toEqual(['alpha', 'gamma']);
    // Another machine of the same operator agrees with the first: that says nothing.
    await world.submit({ builder: 'delta', rpms: [honest] });
    expect(await standings(world)).toEqual(['beta duplicate-wanted', 'delta duplicate-wanted']);
    const job = first.duplicate?.job ?? '';
    const second = await world.submit({ builder: 'alpha', rpms: [honest], job, duplicateOf: first.result.job });
    expect(second.standing).toBe('accepted');
    expect(await standings(world)).toEqual(['alpha accepted', 'beta accepted', 'delta accepted']);
    expect(classIn(await readClass(world.config.work, 'hello')).class).toBe('identical');
    const asked = [...first.result.packages, { nevra: 'other-1-1.noarch', header: '0'.repeat(64) }];
    expect(agreementOn(asked, await world.judged()).map(({ nevra, operators }) => `${nevra}: ${operators}`)).toEqual([
      'hello-1.0-1.x86_64: one.example,two.example',
      'other-1-1.noarch: ',
    ]);
  });

  test('of a scratch build counts for nothing, and one whose record was changed neither', async () => {
    const world = await rebuildWorld(temporaryFolder());
    const scratch = await world.submit({ builder: 'alpha', rpms: [tampered], scratch: true });
    expect(scratch).toMatchObject({ standing: 'scratch', disputes: [] });
    const { result } = await world.submit({ builder: 'alpha', rpms: [honest] });
    expect(await standings(world)).toEqual(['alpha accepted', 'alpha scratch']);
    const path = join(resultFolder(world.config.work, scratch.result.job), 'result.json');
    writeFileSync(
      path,
      readFileSync(path, 'utf8')
        .replace('"scratch": true', '"scratch": false')
        .replace(/"builder": "alpha"/, '"builder": "beta"'),
    );
    expect(await standings(world)).toEqual(['alpha accepted']);
    writeFileSync(join(resultFolder(world.config.work, result.job), 'result.json'), '{"cut');
    expect(await standings(world)).toEqual([]);
  });
});

describe('I18: two results that should be one', () => {
  async function known(world: RebuildWorld): Promise<void> {
    for (const builder of ['alpha', 'beta'] as const)
      await world.submit({ builder, rpms: [honest], source: 'earlier' });
    expect(classIn(await readClass(world.config.work, 'hello')).class).toBe('identical');
  }

  test('are disputed when the package is known to be reproducible, with all evidence; a verdict says who counts', async () => {
    const world = await rebuildWorld(temporaryFolder());
    const { work } = world.config;
    await known(world);
    const good = await world.submit({ builder: 'alpha', rpms: [honest] });
    expect(good.standing).toBe('accepted');
    const bad = await world.submit({ builder: 'beta', rpms: [tampered] });
    expect(bad).toMatchObject({ standing: 'disputed', disputes: [expect.stringMatching(/^[0-9a-f]{12}$/)] });
    const id = bad.disputes[0] ?? '';
    const dispute = await readDispute(work, id);
    expect(dispute).toMatchObject({
      kind: 'dispute',
      class: 'identical',
      packages: [{ package: 'hello-1.0-1.x86_64' }],
    });
    const digests = dispute?.packages[0]?.tags?.find(({ tag }) => tag === 'FILEDIGESTS');
    expect(digests).toMatchObject({ count: 1, files: ['/usr/bin/hello'] });
    const missing = dispute?.evidence.filter((file) => !existsSync(join(work, 'rebuild/disputes', id, file)));
    expect(missing).toEqual([]);
    expect(dispute?.evidence.length).toBeGreaterThanOrEqual(4);

    // A third that agrees with one side settles nothing: two colluders agree with each other.
    await world.submit({ builder: 'gamma', rpms: [honest] });
    const about = (await world.judged()).filter(({ disputes }) => disputes.includes(id));
    expect(about.map(({ result, standing }) => `${result.builder} ${standing}`).sort()).toEqual([
      'alpha disputed',
      'beta disputed',
      'gamma disputed',
    ]);

    const task = testTask(world.dir);
    const finding = {
      dispute: id,
      by: 'Jane Doe',
      note: 'two more built what alpha did',
      verdict: 'tampered',
    } as const;
    await expect(resolveDispute(world.config, { ...finding, builders: [] }, task, NOON)).rejects.toMatchObject({
      code: 'usage',
    });
    const { consequences } = await resolveDispute(world.config, { ...finding, builders: ['beta'] }, task, NOON);
    expect(consequences).toEqual(['beta: new → suspended', '1 result counts for nothing']);
    expect(await levelOf(work, 'beta')).toBe('suspended');
    // What nobody else confirmed of a builder that tampered has to be built again.
    await addToLedger(work, 'beta', { at: NOON, level: 'new', by: 'x', reason: 'y' });
    await world.submit({ builder: 'beta', rpms: [honest], source: 'later' });
    expect(await standings(world)).toEqual([
      'alpha accepted',
      'alpha accepted',
      'beta accepted',
      'beta duplicate-wanted',
      'beta rejected',
      'gamma accepted',
    ]);
    // The same once more, by whomever: rejected at once.
    expect((await world.submit({ builder: 'delta', rpms: [tampered] })).standing).toBe('rejected');
    // Somebody takes the verdict away, or signs one himself: the dispute is open again.
    const path = join(work, 'rebuild/disputes', id, 'verdicts.intoto.jsonl');
    const line = readFileSync(path, 'utf8');
    writeFileSync(path, line.replace(/"sig":"../, '"sig":"AA'));
    expect(await standings(world)).toContain('alpha disputed');
    writeFileSync(path, line);
    expect(await standings(world)).not.toContain('alpha disputed');
  });

  test('are a task when nobody knows whether it can be reproduced; what differs may differ from then on, and nothing else', async () => {
    const world = await rebuildWorld(temporaryFolder());
    await world.submit({ builder: 'alpha', rpms: [honest] });
    const { standing, disputes } = await world.submit({ builder: 'beta', rpms: [third] });
    expect(standing).toBe('class-unknown');
    expect(await standings(world)).toEqual(['alpha class-unknown', 'beta class-unknown']);
    const finding = { dispute: disputes[0] ?? '', by: 'Jane Doe', note: 'embeds the date', builders: [] };
    await resolveDispute(world.config, { ...finding, verdict: 'not-reproducible' }, testTask(world.dir), NOON);
    expect(await standings(world)).toEqual(['alpha accepted', 'beta accepted']);
    expect(classIn(await readClass(world.config.work, 'hello'))).toMatchObject({ class: 'known-differences' });
    // The same file differs: explained. Another one as well: a dispute.
    expect((await world.submit({ builder: 'gamma', rpms: [tampered] })).standing).toBe('accepted');
    const files = [
      { path: '/usr/bin/hello', text: 'x', mode: '0755' },
      { path: '/usr/share/hello/data', text: 'more\n' },
    ];
    const more = await buildMiniRpm({ ...recipe(''), files });
    expect((await world.submit({ builder: 'delta', rpms: [more] })).standing).toBe('disputed');
  });

  test('count for nothing after a verdict about the environment, and both are built again', async () => {
    const world = await rebuildWorld(temporaryFolder());
    await known(world);
    await world.submit({ builder: 'alpha', rpms: [honest] });
    const { disputes } = await world.submit({ builder: 'beta', rpms: [] });
    const finding = { dispute: disputes[0] ?? '', by: 'Jane Doe', note: 'no space left', builders: [] };
    await resolveDispute(world.config, { ...finding, verdict: 'environment' }, testTask(world.dir), NOON);
    const mine = async () =>
      (await world.judged()).filter(({ result }) => result.source.sha256 !== '').map(({ standing }) => standing);
    expect((await mine()).filter((one) => one === 'rejected')).toHaveLength(2);
    expect((await world.submit({ builder: 'alpha', rpms: [honest] })).standing).toBe('accepted');
    expect((await world.submit({ builder: 'gamma', rpms: [honest] })).standing).toBe('accepted');
  });

  test('are disputed also when a kill came before that was recorded, and their record is made the next time', async () => {
    const world = await rebuildWorld(temporaryFolder());
    await known(world);
    await world.submit({ builder: 'alpha', rpms: [honest] });
    const { result, disputes } = await world.submit({ builder: 'beta', rpms: [tampered] });
    const folder = join(world.config.work, 'rebuild/disputes');
    rmSync(folder, { recursive: true });
    expect((await world.judged()).filter(({ standing }) => standing === 'disputed')).toHaveLength(2);
    expect((await acceptResult(world.config, result, testTask(world.dir), NOON)).disputes).toEqual(disputes);
    expect(readdirSync(folder)).toEqual(disputes);
  });
});
