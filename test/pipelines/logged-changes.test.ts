import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { makeAgent } from '../support/agents.ts';
import { everyCase } from '../support/every-case.ts';
import { gatedWorld } from '../support/logged-first.ts';
import { type FileKey, makeFileKey } from '../support/openpgp-key.ts';
import { commitTestTree, makeRepo, TEST_REF, TEST_TIME } from '../support/ostree-repo.ts';
import { reconfigure } from '../support/package-world.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records, runCli } from '../support/world.ts';

const CLOCK = new URL('../support/clock.mjs', import.meta.url).href;

const written = ({ keyFile, passphrase }: FileKey): string =>
  `{type: openpgp, key-file: ${keyFile}, passphrase-file: ${passphrase.file}}`;

it.runIf(everyCase)(
  'I17: images of another machine, further signatures and RPM repositories are logged before they are visible',
  async () => {
    const dir = temporaryFolder();
    const [old, next] = [await makeFileKey(dir, { name: 'old' }), await makeFileKey(dir, { name: 'next' })];
    await mkdir(join(dir, 'world'));
    const world = await makeWorld(join(dir, 'world'), {
      images: ['generic-cloud'],
      stream: [`signing: ${written(old)}`],
    });
    onTestFinished(() => world.stop());
    const { logsFirst, expectClean } = await gatedWorld(world, `, signing: ${written(old)}`);
    const first = await world.nightly('nightly', '--until', 'push', '--json');
    expect(first, first.stderr).toMatchObject({ code: 0 });
    const { build } = JSON.parse(first.stdout);
    const agent = await makeAgent(world, join(dir, 'agent'));
    await logsFirst('build-changed', () => agent.nightly('images', build));
    expect(await world.nightly('resume', build)).toMatchObject({ code: 0 });
    await expectClean('resume');

    await reconfigure(world, (text) =>
      text.replaceAll(/signing: \{[^}]*\}/g, `signing: [${written(old)}, ${written(next)}]`),
    );
    await logsFirst('build-changed', () => world.nightly('publish', '--reconcile', '--sign-builds'));

    const block = "    release-package: {name: mini-remote-nightly, version: '9', repository: ./sig}\n";
    await reconfigure(world, (text) => text.replace(/( {4}signing: .*\n)/, `$1${block}`));
    await logsFirst('rpms', () => world.nightly('release-package'));
  },
  300_000,
);

it.runIf(everyCase)(
  'I17: what retention or a push takes away is logged before it goes',
  async () => {
    const dir = temporaryFolder();
    const world = await makeWorld(dir);
    onTestFinished(() => world.stop());
    const signing = `, signing: ${written(await makeFileKey(dir))}`;
    const { logsFirst, lastEntries, expectClean } = await gatedWorld(world, signing);
    await mkdir(join(dir, 'pushed'));
    const repo = await makeRepo(join(dir, 'pushed'));
    const pushed: string[] = [];
    for (const number of [1, 2, 3]) {
      const [tree, parent] = [{ 'usr/number': `${number}\n` }, pushed.at(-1)];
      const commit = { repo, tree, ref: TEST_REF, timestamp: TEST_TIME + number };
      pushed.push(await commitTestTree(parent === undefined ? commit : { ...commit, parent }));
      await run('ostree', [`--repo=${repo}`, 'refs', '--force', `--create=${TEST_REF}`, pushed.at(-1) ?? '']);
      const options = number === 3 ? ['--prune-to', '1'] : [];
      const push = () => world.nightly('push', '--repo', repo, TEST_REF, 'buildlogs', ...options);
      if (number === 2) await logsFirst('ref', push);
      else {
        const { code, stderr } = await push();
        expect(code, stderr).toBe(0);
      }
    }
    const older = pushed.slice(0, 2).sort();
    expect((await lastEntries(1)).entries).toEqual([
      expect.objectContaining({ kind: 'prune', target: world.url, commits: older }),
    ]);
    await expectClean('push --prune-to');

    expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
    await world.distro.bump('app');
    expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
    const [first] = await records(world);
    const retention = "retention: {refs: {'*': {depth: 1}}, logs: 1d, grace: 1d}";
    await reconfigure(world, (text) => text.replace(/( {2}buildlogs: \{.*)\}\n/, `$1, ${retention}}\n`));
    const later = { NODE_OPTIONS: `--import=${CLOCK}`, ATOMIC_NIGHTLY_TRUST_CLOCK: '1' };
    const prune = (days: number) => runCli(dir, ['prune', 'buildlogs'], { ...later, CLOCK_DAYS: String(days) });
    const { code, stderr } = await prune(30);
    expect(code, stderr).toBe(0);
    await logsFirst('prune', () => prune(40));
    const { entries } = await lastEntries(5);
    const id = String(first?.['buildid']);
    expect(entries.filter(({ kind }) => kind === 'prune').slice(-2)).toMatchObject([
      { commits: [], builds: [{ id, arch: 'x86_64', gone: ['logs'] }] },
      { commits: [first?.['ostree-commit']], builds: [] },
    ]);
  },
  300_000,
);
