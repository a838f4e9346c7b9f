import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { contentWorld, RELEASE, TESTING } from '../../support/content-world.ts';
import { tagBuild } from '../../support/koji-admin.ts';
import { buildForKoji, importBuilds } from '../../support/koji-material.ts';
import { serveFolder } from '../../support/nginx.ts';
import { sharedFolder } from '../../support/tmp.ts';
import { runCli } from '../../support/world.ts';

const dir = sharedFolder();
await mkdir(join(dir, 'published'));
const server = await serveFolder({ root: join(dir, 'published') });
const world = await contentWorld(dir, { url: server.url });
const { hub, key } = world;
afterAll(async () => {
  await server.stop();
  await hub.close();
});
await importBuilds(hub, [await buildForKoji(join(dir, 'ceph'), 'ceph')]);
await hub.transaction(async (state, say) => {
  for (const tag of [RELEASE, TESTING]) await tagBuild(state, tag, 'ceph-1.0-1.el8', say);
});
const sync = (...args: string[]) => runCli(dir, ['content', 'sync', ...args, '--json']);
const outcomes = ({ stdout }: { readonly stdout: string }) => JSON.parse(stdout).tags;
const X86 = join(world.published, 'SIGs/8/storage/x86_64/ceph');

describe('content sync', () => {
  it('--dry-run shows what would be done, and does nothing', async () => {
    const { code, stdout } = await runCli(dir, ['content', 'sync', RELEASE, '--dry-run']);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^storage8-ceph-release, event \d+: 4 to add, 0 to remove, 4 to sign\n {2}\+ ceph-1.0-1.el8.src.rpm\n/,
    );
    expect(existsSync(world.file(RELEASE))).toBe(false);
    expect(hub.calls).not.toContain('sslLogin');
  });

  it('C9: a tag that fails delays no other; the exit code says that one did', async () => {
    hub.onFile = (path) => (path.includes('/src/') ? 'missing' : undefined);
    const ran = await sync('--all');
    hub.onFile = undefined;
    expect(ran.code).toBe(1);
    expect(outcomes(ran)).toMatchObject([
      {
        tag: RELEASE,
        state: 'failed',
        code: 'package-missing',
        message: expect.stringContaining('ceph-1.0-1.el8.src.rpm'),
      },
      { tag: TESTING, state: 'published', added: 2 },
    ]);
    expect(existsSync(X86)).toBe(false);
  });

  it('C9: what failed is told until it is done: by the status of tags, and by that of all', async () => {
    const failed = JSON.parse(readFileSync(world.file(RELEASE, 'failure.json'), 'utf8'));
    expect(failed).toMatchObject({ code: 'package-missing', since: failed.at });
    const tags = await runCli(dir, ['content', 'status']);
    expect(tags).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^storage8-ceph-release +failed +never +- /m),
    });
    expect(tags.stdout).toMatch(/^storage8-ceph-release has failed since .* ago: .*ceph-1.0-1.el8.src.rpm/m);
    const all = await runCli(dir, ['status', '--json']);
    expect(all.code).toBe(1);
    expect(JSON.parse(all.stdout).problems).toContainEqual(
      expect.stringMatching(/^Content: storage8-ceph-release has failed for \d+ s: .*ceph-1.0-1.el8.src.rpm/),
    );
  });

  it('what is left is done the next time; then nothing is to be done, which a few calls show', async () => {
    const ran = await sync('--all');
    expect(ran.code).toBe(0);
    expect(outcomes(ran).map(({ state }: { state: string }) => state)).toEqual(['published', 'unchanged']);
    expect(existsSync(world.file(RELEASE, 'failure.json'))).toBe(false);
    expect(await runCli(dir, ['content', 'status'])).toMatchObject({ code: 0 });
    await hub.transaction((state) => {
      // Twenty minutes of another tag.
      for (let event = 0; event < 1100; event += 1) state.event();
    });
    expect(await sync('--all')).toMatchObject({ code: 10 });
    hub.calls.length = 0;
    expect(await sync('--all')).toMatchObject({ code: 10 });
    expect(hub.calls).toEqual([
      'multiCall',
      'listTags',
      'listTags',
      'multiCall',
      'tagChangedSinceEvent',
      'tagChangedSinceEvent',
    ]);
  });

  it('a tag that no rule is for, a configuration without content and no tag at all are usage faults', async () => {
    expect(await sync('storage8-ceph-relase')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`Did you mean "${RELEASE}"`),
    });
    expect(await sync()).toMatchObject({ code: 2 });
    expect(await sync('--all', RELEASE)).toMatchObject({ code: 2 });
    const other = join(dir, 'other.yaml');
    await writeFile(other, readFileSync(world.configFile, 'utf8').replace(/^content:[\s\S]*/m, ''));
    const ran = await runCli(dir, ['--config', other, 'content', 'status']);
    expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining('has no content to publish') });
  });
});

describe('content status, show and log', () => {
  it('show what was published, and who tagged it', async () => {
    const status = await runCli(dir, ['content', 'status']);
    expect(status.stdout).toMatch(
      /^TAG .*\nstorage8-ceph-release {2}published {2}\S+ \S+ UTC, \d+ \w+ ago +\d+ +4 +0\nstorage8-ceph-testing/,
    );
    const shown = await runCli(dir, ['content', 'show', RELEASE]);
    expect(shown.stdout).toMatch(
      /^storage8-ceph-release: published .*x86_64 aarch64\n(?: {2}\d+ files .*\n)? {2}[0-9a-f]{16} {2}ceph-1.0-1.el8.src.rpm\n/,
    );
    const none = await runCli(dir, ['content', 'log', `${RELEASE}s`]);
    expect(none).toMatchObject({ code: 0, stdout: `Nothing was published of a tag "${RELEASE}s" yet.\n` });
    const log = await runCli(dir, ['content', 'log', RELEASE]);
    expect(log.stdout).toMatch(
      new RegExp(
        `^TIME +EVENT +STATE +KEY\\n\\S+ {2}\\d+ +published {2}${key.fingerprint}\\n {2}\\+ ceph-1.0-1.el8.src.rpm {2}\\(alice, event \\d+\\)`,
      ),
    );
    expect(await runCli(dir, ['content', 'show', '../x'])).toMatchObject({ code: 2 });
    expect(await runCli(dir, ['content', 'show', 'nope'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Nothing was published'),
    });
  });

  it('I15: a damaged state stops its tag alone, and nothing of it is removed', async () => {
    await writeFile(world.file(TESTING, 'state.json'), '{"version": 1,');
    expect((await runCli(dir, ['content', 'status'])).stdout).toMatch(
      /storage8-ceph-testing {2}damaged +.*state.json is damaged/,
    );
    const ran = await sync('--all');
    expect([ran.code, outcomes(ran)]).toMatchObject([1, [{ state: 'unchanged' }, { tag: TESTING, code: 'record' }]]);
  });
});
