import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { filesBelow, sha256File } from '../../src/base/files.ts';
import { FORMATS } from '../../src/base/format-versions.ts';
import { findBuild } from '../../src/build/build-store.ts';
import { upgradeCheck } from '../../src/cli/commands/upgrade-check.ts';
import { run } from '../../src/programs/exec.ts';
import { repositoryText } from '../support/repository.ts';
import { sharedFolder } from '../support/tmp.ts';

/** Work folder and target as an earlier version left them (test/pipelines/earlier-version.test.ts). */
const EARLIER = new URL('../fixtures/earlier-version.tar.xz', import.meta.url).pathname;
const shared = sharedFolder();
const dir = join(shared, 'now');
const config = join(dir, 'atomic-nightly.yaml');
const meta = 'builds/20261129_02/x86_64/meta.json';

const CONFIG = `name: mini
work: ./work
targets:
  buildlogs: {type: directory, path: ./published, url: 'http://127.0.0.1:9'}
streams:
  nightly: {treefile: ./work/builds/20261129_01/x86_64/treefile/mini.yaml, arch: x86_64, targets: [buildlogs]}
`;

beforeAll(async () => {
  await mkdir(join(shared, 'earlier'));
  await run('tar', ['-xJf', EARLIER, '-C', join(shared, 'earlier')]);
  await rm(join(shared, 'earlier/work/repo'), { recursive: true });
});
beforeEach(async () => {
  await rm(dir, { recursive: true, force: true });
  await cp(join(shared, 'earlier'), dir, { recursive: true });
  await writeFile(config, CONFIG);
});

/** Runs the command in this process, and gives its exit code and what it printed. */
async function check(json = false): Promise<{ readonly code: number; readonly stdout: string }> {
  const printed: string[] = [];
  const context = { config, logFormat: 'plain', print: (line: string) => printed.push(line) } as const;
  const code = await upgradeCheck.run({ json }, context);
  return { code, stdout: printed.join('\n') };
}

async function change(path: string, to: (record: Record<string, unknown>) => void): Promise<void> {
  const record = JSON.parse(await readFile(join(dir, 'work', path), 'utf8'));
  to(record);
  await writeFile(join(dir, 'work', path), JSON.stringify(record));
}

async function digests(): Promise<readonly (readonly [string, string])[]> {
  const paths = await filesBelow(dir);
  return Promise.all(paths.map(async (path) => [path, await sha256File(join(dir, path))] as const));
}

test('what an earlier version left can be used; nothing is changed by looking', async () => {
  const before = await digests();
  const found = await check();
  expect(found.stdout).toMatch(/^ok +configuration /m);
  expect(found.stdout).toMatch(/^ok +records +6 of 6 in .*\/work can be read$/m);
  expect(found.stdout).toMatch(/^changed +list +its table begins with a header/m);
  expect(found.stdout).toContain('can continue here.');
  expect(found.code).toBe(0);
  expect(await digests()).toEqual(before);
});

test('a record of a newer version is named with both versions, by this and by what would use it', async () => {
  await change(meta, (record) => Object.assign(record, { 'atomic-nightly.format': 2, 'atomic-nightly.state': 'glad' }));
  const clear = 'was written by a newer atomic-nightly: format 2, this one reads up to 1.';
  const found = await check(true);
  expect(found.code).toBe(1);
  const { ok, refused } = JSON.parse(found.stdout);
  expect(ok).toBe(false);
  expect(refused).toEqual([
    expect.objectContaining({ path: meta, newerFormat: 2, message: expect.stringContaining(clear) }),
  ]);
  expect((await check()).stdout).toMatch(/^newer +builds\/20261129_02\/x86_64\/meta.json .*format 2/m);
  await expect(findBuild(join(dir, 'work'), '20261129_02')).rejects.toThrow(clear);
});

test('a damaged record, one of another kind and one that is a folder are named; the others count', async () => {
  await writeFile(join(dir, 'work', meta), '{');
  await rm(join(dir, 'work/builds/20261129_01/x86_64/lockfile.json'));
  await mkdir(join(dir, 'work/builds/20261129_01/x86_64/lockfile.json'));
  await mkdir(join(dir, 'work/service'));
  await writeFile(join(dir, 'work/service/state.json'), '{"moments": {}, "jobs": {}}');
  const found = await check();
  expect(found.code).toBe(1);
  expect(found.stdout).toMatch(/^note +records +4 of 7 /m);
  const damaged = [...found.stdout.matchAll(/^damaged +(\S+)/gm)].map(([, path]) => path);
  expect(damaged).toEqual([meta, 'builds/20261129_01/x86_64/lockfile.json', 'service/state.json']);
});

test('I2: a stream that begins to sign on builds of another machine is told what that needs', async () => {
  await writeFile(join(dir, 'key'), 'no key yet');
  await writeFile(config, CONFIG.replace('{treefile', '{signing: {type: openpgp, key-file: ./key}, treefile'));
  expect((await check()).stdout).not.toContain('stream nightly');
  for (const id of await readdir(join(dir, 'work/builds')))
    await writeFile(join(dir, `work/builds/${id}/x86_64/fetched.json`), '{}');
  const found = await check();
  expect(found.stdout).toMatch(/^changed +stream nightly .*seed\.gpg-keys/m);
  expect(found.code).toBe(0);
});

test('a configuration that mixes signing and unsigned streams on one target no longer loads: exit code 2', async () => {
  const signed =
    '  signed: {signing: {type: openpgp, key-file: ./key}, ref: b, treefile: ./t.yaml, targets: [buildlogs]}\n';
  await writeFile(config, CONFIG + signed);
  const found = await check();
  expect(found.code).toBe(2);
  expect(found.stdout).toContain('has the signed files of stream "signed"');
  expect(JSON.parse((await check(true)).stdout)).toMatchObject({ ok: false, configuration: expect.any(String) });
});

test('docs/formats.md has the table of formats and their versions', async () => {
  const rows = (await repositoryText('docs/formats.md')).matchAll(/^\| ([^|]+) \| `([\w.-]+)` \| (\d+) \|/gm);
  const documented = Object.fromEntries(
    [...rows].map(([, name = '', key, newest]) => [name, { key, newest: Number(newest) }]),
  );
  expect(documented).toEqual(FORMATS);
});
