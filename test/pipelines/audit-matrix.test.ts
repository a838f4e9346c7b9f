import { generateKeyPairSync } from 'node:crypto';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { requireOpenpgp } from '../../src/publish/log/sign-openpgp.ts';
import { CHECKPOINT_PATH } from '../../src/published/paths.ts';
import { makeAgent } from '../support/agents.ts';
import { auditFaults } from '../support/audit-faults.ts';
import { everyCase } from '../support/every-case.ts';
import { keepLog, unlogged } from '../support/logged-world.ts';
import { type FileKey, makeFileKey } from '../support/openpgp-key.ts';
import { reconfigure } from '../support/package-world.ts';
import { makeReleaseWorld } from '../support/release-world.ts';
import { standInGuest } from '../support/stand-in-guest.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { type CliResult, makeWorld, records, runCli, type World } from '../support/world.ts';

const REF = 'mini/x86_64/nightly';
const CLOCK = new URL('../support/clock.mjs', import.meta.url).href;

const written = ({ keyFile, passphrase }: FileKey): string =>
  `{type: openpgp, key-file: ${keyFile}, passphrase-file: ${passphrase.file}}`;

/** A key for statements, and the block of a stream that has its builds attested with it. */
async function attestations(dir: string): Promise<string> {
  const key = join(dir, 'statements.pem');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return `attestations: {statement: {builder: 'https://ci.example.org/atomic', key: {type: key-file, key-file: ${key}}}}`;
}

/**
 * Audits targets of a world as somebody with their URL and the key of the log; what the last audit saw counts.
 * @param keyring OpenPGP keys that must have signed each checkpoint
 */
function auditor(world: World, vkey: string, targets: readonly string[], keyring: readonly FileKey[]) {
  const stateOf = (target: string) => join(world.dir, `audit-${target || 'buildlogs'}.json`);
  const audit = (target: string, state: string, options: readonly string[] = ['--log-key', vkey]): Promise<CliResult> =>
    world.nightly('audit', [world.url, target].filter(Boolean).join('/'), ...options, '--state', state, '--json');
  return {
    audit,
    stateOf,
    async expectClean(what: string): Promise<void> {
      const keys = Buffer.concat(await Promise.all(keyring.map(({ publicFile }) => readFile(publicFile))));
      for (const target of targets) {
        const note = await readFile(join(world.published, target, CHECKPOINT_PATH));
        const about = { name: vkey.split('+')[0] ?? '', keyring: keys, file: target };
        expect([what, target, await requireOpenpgp(note, about, testTask(world.dir))]).toEqual([
          ...[what, target],
          keyring.map(({ fingerprint }) => fingerprint),
        ]);
        const state = stateOf(target);
        // First only what is new, then every file.
        for (const fullAt of [undefined, 1]) {
          if (fullAt !== undefined)
            await writeFile(state, JSON.stringify({ ...(await parsed(state)), 'full-at': fullAt }));
          const { code, stdout, stderr } = await audit(target, state);
          expect([what, target, code, stdout && JSON.parse(stdout).findings], stderr).toEqual([what, target, 0, []]);
        }
        // Nothing that would be told after an hour, either.
        expect([what, target, (await parsed(state))['behind']]).toEqual([what, target, {}]);
        expect([what, target, await unlogged(world, join(world.published, target))]).toEqual([what, target, []]);
      }
    },
  };
}

const parsed = async (path: string): Promise<Record<string, unknown>> => JSON.parse(await readFile(path, 'utf8'));

/** Does each fault to what is published, and undoes it. */
async function expectFound(world: World, vkey: string, earlier: { log: string; record: Buffer; build: string }) {
  const { audit, stateOf } = auditor(world, vkey, [''], []);
  const newest = (await records(world)).findLast((meta) => meta['ref'] === REF && meta['ostree-commit'] !== undefined);
  const faults = await auditFaults({
    ...{ world, vkey, ref: REF, commit: String(newest?.['ostree-commit']), build: earlier.build },
    ...{ earlierLog: earlier.log, earlierRecord: earlier.record },
  });
  const before = await parsed(stateOf(''));
  const [state, aside] = [join(world.dir, 'faulty.json'), join(world.dir, 'aside')];
  for (const { name, code, says, touches, apply, state: change, options } of faults) {
    const old = { ...before, 'full-at': 1 };
    await writeFile(state, JSON.stringify(change ? change(old) : old));
    for (const path of touches) await cp(join(world.published, path), join(aside, path), { recursive: true });
    await apply();
    const found = await audit('', state, options);
    const { findings } = JSON.parse(found.stdout);
    const [first] = findings;
    expect([name, `${first?.kind} ${first?.what}`, findings.length]).toEqual([name, expect.stringMatching(says), 1]);
    expect([name, found.code]).toEqual([name, code]);
    for (const path of touches) {
      await rm(join(world.published, path), { recursive: true, force: true });
      await cp(join(aside, path), join(world.published, path), { recursive: true });
    }
  }
  await writeFile(state, JSON.stringify({ ...before, 'full-at': 1 }));
  expect(await audit('', state)).toMatchObject({ code: 0 });
}

it.runIf(everyCase)(
  'what this program does audits clean, and whatever else happens to what is published is found and named',
  async () => {
    const dir = temporaryFolder();
    const key = await makeFileKey(dir);
    await mkdir(join(dir, 'world'));
    const stream = [`signing: ${written(key)}`, await attestations(dir)];
    const world = await makeWorld(join(dir, 'world'), { stream });
    onTestFinished(() => world.stop());
    const vkey = await keepLog(world, `, signing: ${written(key)}`);
    const { expectClean } = auditor(world, vkey, [''], [key]);
    const run = async (code: number, ...args: readonly string[]) => {
      const done = await world.nightly(...args);
      expect([args, done.code], done.stderr).toEqual([args, code]);
    };
    await run(0, 'nightly');
    await expectClean('nightly');
    const log = join(world.dir, 'log-then');
    await cp(join(world.published, 'log'), log, { recursive: true });
    await run(10, 'nightly');
    await world.distro.bump('app');
    await run(0, 'nightly');
    const [first, , second] = await records(world);
    const build = `builds/${second?.['buildid']}/x86_64`;
    const record = await readFile(join(world.published, build, 'meta.json'));
    await run(0, 'retract', String(second?.['buildid']), '--reason', 'a bad one');
    await expectClean('unchanged, retract');
    await rm(join(world.published, `builds/${first?.['buildid']}/x86_64/lockfile.json`));
    await rm(join(world.published, 'repo/summary.sig'));
    await run(0, 'publish', '--reconcile');
    await expectClean('reconcile');
    await expectFound(world, vkey, { log, record, build });
  },
  600_000,
);

it.runIf(everyCase)(
  'every operation of this program audits clean on every target, and every fault is found',
  async () => {
    const dir = temporaryFolder();
    const [old, next] = [await makeFileKey(dir, { name: 'old' }), await makeFileKey(dir, { name: 'next' })];
    const attested = await attestations(dir);
    await mkdir(join(dir, 'world'));
    const world = await makeReleaseWorld(join(dir, 'world'), {
      images: ['generic-cloud'],
      targets: ['mirror', 'cloud'],
      stream: [`signing: ${written(old)}`, attested],
      release: [
        attested,
        'images: [generic-cloud]',
        'smoke-test: {timeout: 60}',
        'approvals: 1',
        `signing: ${written(old)}`,
        'release: {tree: [mirror], images: [cloud]}',
      ],
    });
    onTestFinished(() => world.stop());
    const vkey = await keepLog(world, `, signing: ${written(old)}`);
    // From when another key signs as well it must have signed.
    const keyring = [old];
    const { expectClean } = auditor(world, vkey, [''], keyring);
    const everywhere = auditor(world, vkey, ['', 'staging', 'mirror', 'cloud'], keyring);
    const path = await standInGuest(world.dir, join(world.dir, 'work'));
    const run = async (code: number, ...args: readonly string[]): Promise<string> => {
      const done = await runCli(world.dir, args, { PATH: path });
      expect([args, done.code], done.stderr).toEqual([args, code]);
      return done.stdout;
    };
    const nightly = async (): Promise<string> => JSON.parse(await run(0, 'nightly', 'nightly', '--json')).build;

    const first = await nightly();
    await expectClean('nightly');
    const log = join(world.dir, 'log-then');
    await cp(join(world.published, 'log'), log, { recursive: true });
    await run(10, 'nightly', 'nightly');
    await expectClean('unchanged');
    await world.distro.bump('app');
    const { build: shared } = JSON.parse(await run(0, 'nightly', 'nightly', '--until', 'push', '--json'));
    await expectClean('until push');
    const agent = await makeAgent(world, join(dir, 'agent'));
    const images = await agent.nightly('images', shared);
    expect(images.code, images.stderr).toBe(0);
    await run(0, 'resume', shared);
    await expectClean('images of another machine');

    const promoted = async (night: string): Promise<string> => {
      const { build } = JSON.parse(await run(0, 'promote', night, '--json'));
      await run(0, 'approve', build, '--by', 'Jane Doe');
      await run(0, 'release', build);
      return build;
    };
    await promoted(first);
    await everywhere.expectClean('promote, approve, release');
    const release = await promoted(shared);
    await run(0, 'release', release, '--withdraw', '--reason', 'does not boot');
    await everywhere.expectClean('withdraw');

    await world.distro.bump('app');
    const third = await nightly();
    const build = `builds/${third}/x86_64`;
    const record = await readFile(join(world.published, build, 'meta.json'));
    await run(0, 'retract', third, '--reason', 'a bad one');
    await everywhere.expectClean('retract');

    // Keys: another signs as well, from now on and what was published before.
    const both = `signing: [${written(old)}, ${written(next)}]`;
    await reconfigure(world, (text) => text.replaceAll(/signing: \{[^}]*\}/g, both));
    keyring.push(next);
    await run(0, 'publish', '--reconcile', '--sign-builds');
    await everywhere.expectClean('sign-builds');
    await world.distro.bump('app');
    await nightly();
    await everywhere.expectClean('a nightly with another key');

    await rm(join(world.published, build, 'lockfile.json'));
    await rm(join(world.published, 'mirror/repo/summary.sig'));
    await rm(join(world.published, 'staging/builds/builds.json'));
    await run(0, 'publish', '--reconcile');
    await everywhere.expectClean('reconcile');

    const block = "    release-package: {name: mini-remote-nightly, version: '9', repository: ./sig}\n";
    await reconfigure(world, (text) => text.replace(/( {4}signing: .*\n)/, `$1${block}`));
    await run(0, 'release-package', 'nightly');
    await expectClean('release-package');

    await expectFound(world, vkey, { log, record, build });

    const retention = "retention: {refs: {'*': {depth: 1}}, images: 1d, logs: 1d, grace: 1d}";
    await reconfigure(world, (text) => text.replace(/( {2}buildlogs: \{.*)\}\n/, `$1, ${retention}}\n`));
    for (const days of ['30', '40']) {
      const later = { NODE_OPTIONS: `--import=${CLOCK}`, ATOMIC_NIGHTLY_TRUST_CLOCK: '1', CLOCK_DAYS: days };
      const done = await runCli(world.dir, ['prune', 'buildlogs'], later);
      expect(done.code, done.stderr).toBe(0);
      await expectClean(`prune after ${days} days`);
    }
  },
  2_400_000,
);
