import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { parseVkey } from '../../../src/log/note-keys.ts';
import type { AuditState } from '../../../src/publish/audit/audit-ledger.ts';
import { auditTarget } from '../../../src/publish/audit/audit-target.ts';
import { publicFiles } from '../../../src/publish/verify/public-http.ts';
import { contentWorld, namedIn, TESTING } from '../../support/content-world.ts';
import { tagBuild, untagBuild } from '../../support/koji-admin.ts';
import { buildForKoji, importBuilds } from '../../support/koji-material.ts';
import { VECTORS } from '../../support/log-files.ts';
import { serveFolder } from '../../support/nginx.ts';
import { sharedFolder, testTask } from '../../support/tmp.ts';
import { runCli } from '../../support/world.ts';

const dir = sharedFolder();
const [published, policy] = [join(dir, 'published'), join(dir, 'policy')];
await mkdir(published);
const server = await serveFolder({ root: published });
const world = await contentWorld(dir, { url: server.url, more: `log: {home: mirror, key-file: ${dir}/log.key}\n` });
const { hub } = world;
afterAll(async () => {
  await server.stop();
  await hub.close();
});
await importBuilds(hub, [await buildForKoji(join(dir, 'ceph'), 'ceph')]);
const CEPH = 'ceph-1.0-1.el8';
await hub.transaction((state, say) => tagBuild(state, TESTING, CEPH, say));

const [START, DAY] = [1_800_000_000, 86_400];
const PLACE = 'test/8/storage/x86_64/ceph';
const at = (...path: string[]) => join(published, PLACE, ...path);
const sync = (now: number) => world.sync(TESTING, { push: true, now });

const begun = await runCli(dir, ['log', 'init']);
const vkey = begun.stdout.trim().split('\n').at(-1) ?? '';

/** Audits what is published: what is new to the last audit, and then everything as somebody who never looked before. */
let state: AuditState | undefined;
async function findings(): Promise<readonly object[]> {
  const key = parseVkey(vkey, { file: 'vkey' });
  if (key.type !== 'ed25519') throw new Error('a log has such a key');
  const found: object[] = [];
  for (const before of state ? [state, undefined] : [undefined]) {
    const files = publicFiles(server.url, new AbortController().signal);
    const trust = { logs: [{ key }], witnesses: [], quorum: { kind: 'none' as const } };
    const request = { files, url: server.url, policy: trust, state: before, fullSeconds: 7 * DAY };
    const result = await auditTarget(request, testTask(dir));
    found.push(...result.findings, ...(result.state?.behind ?? []));
    if (result.state) state = result.state;
  }
  return found;
}

it('I17: a repository is visible only once it is in the log; shut out by it, nothing is', async () => {
  const config = await readFile(world.configFile, 'utf8');
  const stranger = `witness nobody ${VECTORS.witnessVkey}\nquorum nobody\n`;
  writeFileSync(policy, `log ${vkey}\n${stranger}`);
  await writeFile(world.configFile, config.replace('log: {', `log: {policy: ${policy}, `));
  await expect(sync(START)).rejects.toMatchObject({ message: expect.stringContaining('witness') });
  expect(existsSync(at('repodata/repomd.xml'))).toBe(false);
  writeFileSync(policy, `log ${vkey}\nquorum none\n`);
  expect(await sync(START)).toMatchObject({ state: 'published', added: 2 });
  // The packages were there already, and have kept their names.
  expect([...(await namedIn(at())).keys()].sort()).toEqual([
    'Packages/c/ceph-1.0-1.el8.x86_64.rpm',
    'Packages/c/ceph-common-1.0-1.el8.noarch.rpm',
  ]);
  const { stdout } = await runCli(dir, ['log', 'show', '--json']);
  const rpms = JSON.parse(stdout).entries.filter(({ kind }: { kind: string }) => kind === 'rpms');
  expect(rpms).toMatchObject([{ folder: PLACE }]);
  expect(await findings()).toEqual([]);
});

it('an audit is clean after an untag, and after what left was removed', async () => {
  await hub.transaction((all, say) => untagBuild(all, TESTING, CEPH, say));
  const file = at('Packages/c/ceph-1.0-1.el8.x86_64.rpm');
  expect(await sync(START + 60)).toMatchObject({ state: 'published', removed: 2 });
  expect(await findings()).toEqual([]);
  expect(existsSync(file)).toBe(true);
  await sync(START + 61 + DAY);
  expect(existsSync(file)).toBe(false);
  expect(await findings()).toEqual([]);
});

it('an audit names a repository whose metadata somebody else changed', async () => {
  const path = at('repodata/repomd.xml');
  const before = readFileSync(path);
  writeFileSync(path, before.toString().replace('<revision>', '<revision>1'));
  state = undefined;
  expect(await findings()).toMatchObject([{ kind: 'changed', what: `${PLACE}/repodata/repomd.xml` }]);
  writeFileSync(path, before);
  expect(await findings()).toEqual([]);
});
