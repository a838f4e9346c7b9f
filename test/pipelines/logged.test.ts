import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { filesBelow, sha256File } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { sumsPath } from '../../src/published/paths.ts';
import { everyCase } from '../support/every-case.ts';
import { killIn } from '../support/kill.ts';
import { addMirror, keepLog, provenEntry, unlogged } from '../support/logged-world.ts';
import { serveFolder } from '../support/nginx.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records, type World } from '../support/world.ts';

const REF = 'mini/x86_64/nightly';

/** What an anonymous client asks a server for who verifies a build, and one who audits what is as it was. */
async function expectFewRequests(world: World, vkey: string, sums: string): Promise<void> {
  const { url, requests, stop } = await serveFolder({ root: world.published, counts: true });
  try {
    const script = `curl -fsSO '${url}/get/verify.sh' -fO '${url}/${sums}' -fo proof '${url}/log/proofs/${sums}.tlog-proof'
sh verify.sh -k '${vkey}' SHA256SUMS proof`;
    const { stdout } = await run('sh', ['-ec', script], { cwd: world.dir });
    expect(stdout).toMatch(/^ok: SHA256SUMS of build /);
    const asked = ['get/verify.sh', `log/proofs/${sums}.tlog-proof`, sums].map((path) => `GET /${path} 200`);
    expect((await requests()).toSorted()).toEqual(asked.toSorted());
    const audit = () => world.nightly('audit', url, '--log-key', vkey, '--state', 'seen.json');
    expect(await audit()).toMatchObject({ code: 0 });
    expect((await requests()).length).toBeGreaterThan(10);
    expect(await audit()).toMatchObject({ code: 0 });
    const looked = ['builds/builds.json', 'log/checkpoint', 'repo/summary'].map((path) => `GET /${path} 200`);
    expect((await requests()).toSorted()).toEqual(looked);
  } finally {
    await stop();
  }
}

test('I17: every ref, and every file of a build, is in the log whatever made it visible, and on each target', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const world = await makeWorld(dir, {
    stream: [`signing: {type: gpg-agent, home: ${key.home}, key: ${key.key}}`],
  });
  onTestFinished(() => world.stop());
  const mirror = await addMirror(world);
  const vkey = await keepLog(world);
  const expectLogged = async (): Promise<void> => {
    expect(await unlogged(world)).toEqual([]);
    expect(await unlogged(world, mirror)).toEqual([]);
  };
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  await expectLogged();

  // One request proves each.
  const [first] = await records(world);
  const [id, commit] = [String(first?.['buildid']), String(first?.['ostree-commit'])];
  expect(await provenEntry(world, `log/proofs/refs/${REF}/${commit}.tlog-proof`)).toMatchObject({
    kind: 'ref',
    commit,
  });
  const script = { path: 'get/verify.sh', sha256: await sha256File(join(world.published, 'get/verify.sh')) };
  expect(await provenEntry(world, 'log/proofs/get/verify.sh.tlog-proof')).toMatchObject({ kind: 'tool', file: script });
  const sums = `builds/${id}/x86_64/SHA256SUMS`;
  const build = await provenEntry(world, `log/proofs/${sums}.tlog-proof`);
  expect(build).toMatchObject({ kind: 'build', id, sums: { sha256: await sha256File(join(world.published, sums)) } });
  const proof = await world.nightly('log', 'prove', sums);
  // The same entry at the same place; the log has grown since.
  const published = await readFile(join(world.published, `log/proofs/${sums}.tlog-proof`), 'utf8');
  expect(proof.stdout.split('\n').slice(0, 3)).toEqual(published.split('\n').slice(0, 3));
  await expectFewRequests(world, vkey, sums);

  await world.distro.bump('app');
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  await expectLogged();
  const [, bad] = await records(world);
  expect(await world.nightly('retract', String(bad?.['buildid']), '--reason', 'a "bad" one')).toMatchObject({
    code: 0,
  });
  await expectLogged();
  const [, , taking] = await records(world);
  const shown = JSON.parse((await world.nightly('log', 'show', '--last', '50', '--json')).stdout);
  const kinds = shown.entries.map(({ kind }: { kind: string }) => kind);
  expect(kinds).toEqual(expect.arrayContaining(['key', 'ref', 'build', 'build-changed', 'withdraw']));
  const table = (await world.nightly('log', 'show', '--last', '50')).stdout;
  expect(table).toMatch(/^root: .*\n\nENTRY +KIND +WHAT\n/m);
  expect(table).toMatch(/^\d+ +withdraw +\S+ by \S+: a "bad" one$/m);
  const back = shown.entries.find(({ kind }: { kind: string }) => kind === 'withdraw');
  expect(back).toMatchObject({ by: taking?.['buildid'], reason: 'a "bad" one' });

  // With nothing to do nothing is logged.
  for (const command of [
    ['publish', '--reconcile'],
    ['log', 'init'],
    ['log', 'check'],
    ['log', 'check', 'mirror'],
  ])
    expect(await world.nightly(...command)).toMatchObject({ code: 0 });
  const after = JSON.parse((await world.nightly('log', 'show', '--json')).stdout);
  expect([after.size, after.root]).toEqual([shown.size, shown.root]);
  await expectLogged();
}, 300_000);

test('I17: what was published before the log began is named, then logged, and users can check it', async () => {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  const [build] = await records(world);
  const text = await readFile(world.config, 'utf8');
  await writeFile(world.config, `${text}log: {home: buildlogs, key-file: ${join(world.dir, 'log.key')}}\n`);
  const begun = await world.nightly('log', 'init');
  expect(begun.stdout).toContain('What is published already is not in it yet');

  const wanted = [
    `log ref ${REF} at ${String(build?.['ostree-commit']).slice(0, 12)}: the release log does not have it`,
    `log build ${build?.['buildid']} x86_64: the release log does not have it`,
    'log get/verify.sh: the release log does not have it',
  ];
  const plan = await world.nightly('publish', '--reconcile', '--dry-run');
  expect([plan.code, plan.stdout.trim().split('\n').slice(1)]).toEqual([1, wanted]);
  const done = await world.nightly('publish', '--reconcile');
  expect([done.code, done.stdout.trim().split('\n').slice(1)]).toEqual([0, wanted]);
  expect(await unlogged(world)).toEqual([]);
  expect((await world.nightly('publish', '--reconcile', '--dry-run')).stdout).toContain('nothing to repair');
  expect((await world.nightly('log', 'init')).stdout).not.toContain('What is published already');
  await expectFewRequests(
    world,
    begun.stdout.trim().split('\n').at(-1) ?? '',
    sumsPath(String(build?.['buildid']), 'x86_64'),
  );
}, 300_000);

test.runIf(everyCase)(
  'I4, I17: a night that is killed while it publishes is logged when it is continued; without a log there is none',
  async () => {
    const world = await makeWorld(temporaryFolder());
    onTestFinished(() => world.stop());
    expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
    expect([existsSync(join(world.published, 'log')), existsSync(join(world.dir, 'work/log'))]).toEqual([false, false]);
    expect((await filesBelow(join(world.dir, 'work/builds'))).filter((path) => path.includes('logged'))).toEqual([]);

    await keepLog(world);
    expect((await unlogged(world)).length).toBeGreaterThan(3);
    // What was published before there was a log is logged when somebody asks for it.
    expect(await world.nightly('publish', '--reconcile')).toMatchObject({ code: 0 });
    expect(await unlogged(world)).toEqual([]);
    await world.distro.bump('app');
    for (const [step, delayMs] of [
      ['push-buildlogs', 60],
      ['publish-buildlogs', 40],
    ] as const) {
      if (await killIn(world, step === 'push-buildlogs' ? ['nightly'] : ['resume'], { build: 1, step, delayMs })) break;
      // A ref that is visible is logged at any moment.
      expect((await unlogged(world)).filter(({ what }) => what === REF)).toEqual([]);
    }
    await world.nightly('resume');
    expect(await unlogged(world)).toEqual([]);
  },
  300_000,
);
