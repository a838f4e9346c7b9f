import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../../src/base/free-port.ts';
import { makeToken } from '../../../src/service/http/token.ts';
import { contentWorld, namedIn, RELEASE } from '../../support/content-world.ts';
import { tagBuild } from '../../support/koji-admin.ts';
import { buildForKoji, importBuilds } from '../../support/koji-material.ts';
import { serveFolder } from '../../support/nginx.ts';
import { endService, startServe } from '../../support/service.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { until } from '../../support/until.ts';
import { runCli } from '../../support/world.ts';

const FAST = new URL('../../support/fast-clock.mjs', import.meta.url).href;
/** A service under this clock lives twenty seconds a second. */
const CLOCK = { NODE_OPTIONS: `--import=${FAST}`, CLOCK_FACTOR: '20' };
/** Ten minutes: a poll each minute, and a sync that looks each twenty seconds. */
const LOOKS = 40;

test('C6: a service whose hub is down for maintenance for ten minutes loses nothing, removes nothing, and publishes what was tagged meanwhile', async () => {
  const dir = temporaryFolder();
  const published = join(dir, 'published');
  await mkdir(published);
  const server = await serveFolder({ root: published });
  onTestFinished(() => server.stop());
  const block = `  quiet: 1s\n  longest-wait: 20s\n  poll: 1m\nservice: {listen: '127.0.0.1:${await freePort()}', trigger: {token-hash-file: ./hashes}}\n`;
  const { token, hash } = makeToken();
  await writeFile(join(dir, 'hashes'), `${hash}\n`);
  await writeFile(join(dir, 'token'), `${token}\n`, { mode: 0o600 });
  const { hub } = await contentWorld(dir, { url: server.url, more: block });
  onTestFinished(() => hub.close());
  const builds = await Promise.all(
    ['1.0', '2.0'].map((version) =>
      buildForKoji(join(dir, `tools-${version}`), 'tools', { version, content: version }),
    ),
  );
  await importBuilds(hub, builds);
  await hub.transaction((state, say) => tagBuild(state, RELEASE, 'tools-1.0-1.el8', say));
  const repository = join(published, 'SIGs/8/storage/x86_64/ceph');
  const names = async () =>
    existsSync(join(repository, 'repodata/repomd.xml')) ? [...(await namedIn(repository)).keys()] : [];
  const has = async (version: string) => (await names()).some((name) => name.includes(`tools-${version}-1.el8.x86_64`));

  const service = await startServe({ dir }, CLOCK);
  onTestFinished(() => endService(service, { dir }));
  await until(() => has('1.0'));
  await service.until(`${RELEASE}: published`);

  const outage = Array<'offline'>(10_000).fill('offline');
  hub.mishaps.push(...outage);
  await hub.transaction((state, say) => tagBuild(state, RELEASE, 'tools-2.0-1.el8', say));
  const asked = await runCli(dir, ['trigger', 'content', RELEASE, '--url', service.url, '--token-file', 'token']);
  expect(asked.code, asked.stderr).toBe(0);
  await until(() => outage.length - hub.mishaps.length >= LOOKS);
  await service.until(/content: .*down for maintenance/);
  expect([await has('1.0'), await has('2.0')]).toEqual([true, false]);

  hub.mishaps.length = 0;
  await until(() => has('2.0'));
  await service.until('the hub answers again');
  // To its end: what a killed service has begun still writes.
  await until(() => service.said().split(`${RELEASE}: published`).length > 2);
  expect(await has('1.0')).toBe(true);
  // Said once, and nothing failed.
  expect(service.said().match(/down for maintenance/g)).toHaveLength(1);
  expect(service.said()).not.toMatch(/failed|error|refused/);
}, 1_800_000);
