import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isSignedBy, parseEnvelope } from '../../src/attest/dsse.ts';
import { filesBelow } from '../../src/base/files.ts';
import { statementOf } from '../../src/rebuild/rebuild-records.ts';
import { makeReleaseWorld, night } from '../support/release-world.ts';
import { openRebuildWorld, type RebuildWorld, writeBuilders } from '../support/trust-world.ts';
import type { World } from '../support/world.ts';

let world: World;
let rebuilds: RebuildWorld;
let rpms: string[];
let first: string;

beforeAll(async () => {
  world = await makeReleaseWorld(await mkdtemp(join(tmpdir(), 'atomic-nightly-test-')), {
    release: ['rebuild: {quorum: 2}'],
  });
  const { block, keys } = writeBuilders(world.dir);
  writeFileSync(world.config, `${readFileSync(world.config, 'utf8')}${block}`);
  rebuilds = await openRebuildWorld(world.dir, world.config, keys);
  first = await night(world);
  const cache = join(rebuilds.config.work, 'cache');
  rpms = (await filesBelow(cache)).filter((path) => path.endsWith('.rpm')).map((path) => join(cache, path));
});
afterAll(async () => {
  await world.stop();
  await rm(world.dir, { recursive: true, force: true });
});

test('I18: a promotion demands the quorum for every package, says which lack it, and passes when they have it', async () => {
  const none = await world.nightly('promote', first);
  expect(none.code).toBe(12);
  expect(none.stderr).toMatch(/(\d+) of \1 packages were not built the same by 2 independent operators/);
  expect(none.stderr).toContain(': built by nobody');

  const app = rpms.filter((path) => /\/app-2/.test(path));
  const others = rpms.filter((path) => !app.includes(path));
  expect([app.length, others.length > 5]).toEqual([1, true]);
  // Two machines of one operator are one word, and one scratch build none.
  for (const builder of ['beta', 'delta'] as const) await rebuilds.submit({ builder, rpms: others });
  for (const builder of ['beta', 'delta'] as const) await rebuilds.submit({ builder, rpms: app, source: 'app' });
  await rebuilds.submit({ builder: 'alpha', rpms: app, source: 'app', scratch: true });
  await rebuilds.submit({ builder: 'alpha', rpms: others });
  const some = await world.nightly('promote', first);
  expect(some.code).toBe(12);
  expect(some.stderr).toMatch(
    /1 of \d+ packages were not built the same by 2 independent operators:\n\s+app-\S+: built by two\.example\n/,
  );

  await rebuilds.submit({ builder: 'gamma', rpms: app, source: 'app' });
  const passed = await world.nightly('promote', first, '--json');
  expect(passed).toMatchObject({ code: 0 });
  const { build } = JSON.parse(passed.stdout);
  const file = join(rebuilds.config.work, 'builds', build, 'x86_64/rebuild-summary.intoto.jsonl');
  const envelope = parseEnvelope(readFileSync(file), file);
  expect(await isSignedBy(envelope, await statementOf(rebuilds.config).signer.publicKey())).toBe(true);
  const { subject, predicateType, predicate } = JSON.parse(envelope.payload.toString());
  expect(predicateType).toBe('https://slsa.dev/verification_summary/v1');
  expect(predicate).toMatchObject({ verificationResult: 'PASSED', verifiedLevels: ['ATOMIC_NIGHTLY_REBUILT_BY_2'] });
  expect(subject).toHaveLength(rpms.length);
});
