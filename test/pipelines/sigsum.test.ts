import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { parseVkey } from '../../src/log/note-keys.ts';
import { run } from '../../src/programs/exec.ts';
import { findProgram } from '../../src/programs/find-program.ts';
import { proveBySigsum } from '../../src/steps/deliver/sigsum-proof.ts';
import { makeLitewitness } from '../support/litewitness.ts';
import { describeWith, oracle } from '../support/oracles.ts';
import { killIfThere } from '../support/processes.ts';
import { makeSigsumLog } from '../support/sigsum-log.ts';
import { makeStatedWorld } from '../support/stated-world.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { type CliResult, records, runCli, startCli, type World } from '../support/world.ts';

const PROOF = 'provenance.intoto.jsonl.proof';

/** A world whose statements Sigsum is to have: `sigsum.key` signs, by `sigsum.policy`. */
async function sigsumWorld(): Promise<World> {
  const dir = temporaryFolder();
  const block = `sigsum: {policy: ${dir}/sigsum.policy, key-file: ${dir}/sigsum.key, timeout: 10}`;
  const world = await makeStatedWorld(dir, [block]);
  onTestFinished(() => world.stop());
  return world;
}

/** Runs the program with a folder before all others on its PATH. */
const withPath = ({ dir }: World, bin: string, ...args: string[]): Promise<CliResult> =>
  runCli(dir, args, { PATH: `${bin}:${process.env['PATH']}` });

const folderOf = ({ published }: World, build: string): string => join(published, 'builds', build, 'x86_64');

describeWith(
  ['sigsum-submit', 'sigsum-verify', 'sigsum-key', 'sigsum-log-primary', 'sigsum-mktree', 'litewitness'],
  'Sigsum itself',
  () => {
    it('proves a statement under witnesses of two kinds; without one of them a build is incomplete, and resume completes it', async () => {
      const world = await sigsumWorld();
      const bin = dirname(oracle('sigsum-submit'));
      const log = await makeSigsumLog(join(world.dir, 'sigsum'));
      onTestFinished(() => log.stop());
      const lite = await makeLitewitness(temporaryFolder());
      onTestFinished(() => lite.end());
      await run(oracle('witnessctl'), ['add-sigsum-log', '-db', lite.database, '-key', log.hexKey]);
      await lite.start();
      const ours = await ownWitness(world, log.vkey);
      const witnesses = [
        `witness ours ${ours.hexKey} ${ours.url}`,
        `witness lite ${lite.key.publicKey.toString('hex')} ${lite.url}`,
      ];
      const policy = [log.line, ...witnesses, 'group both all ours lite', 'quorum both', ''].join('\n');
      await writeFile(join(world.dir, 'sigsum.policy'), policy);
      await run(oracle('sigsum-key'), ['generate', '-o', join(world.dir, 'sigsum.key')]);
      await log.start(policy);

      const night = await withPath(world, bin, 'nightly', '--json');
      expect(night.code, night.stderr).toBe(0);
      const folder = folderOf(world, JSON.parse(night.stdout).build);
      const sums = await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder });
      expect(sums.stdout).toContain(`${PROOF}: OK`);
      expect((await readFile(join(folder, PROOF), 'utf8')).match(/^cosignature=/gm)).toHaveLength(2);

      // As docs/attestations.md has it.
      const page = await readFile(new URL('../../docs/attestations.md', import.meta.url), 'utf8');
      const line = /^sigsum-verify .*$/m.exec(page)?.[0] ?? '';
      const scratch = temporaryFolder();
      for (const name of [PROOF, 'provenance.intoto.jsonl']) await cp(join(folder, name), join(scratch, name));
      for (const name of ['sigsum.policy', 'sigsum.key.pub']) await cp(join(world.dir, name), join(scratch, name));
      const verify = async () =>
        (
          await run('sh', ['-c', line], {
            cwd: scratch,
            env: { PATH: `${bin}:${process.env['PATH']}` },
            okExitCodes: [0, 1],
          })
        ).exitCode;
      expect(await verify()).toBe(0);
      const change = async (name: string, edit: (text: string) => string) => {
        const text = await readFile(join(scratch, name), 'utf8');
        await writeFile(join(scratch, name), edit(text));
        expect([name, await verify()]).toEqual([name, 1]);
        await writeFile(join(scratch, name), text);
      };
      await change('provenance.intoto.jsonl', (text) => `${text} `);
      const other = (_: string, line: string, digit: string): string => `${line}${digit === '0' ? '1' : '0'}`;
      await change(PROOF, (text) => text.replace(/^(cosignature=.*)(.)$/m, other));
      await change(PROOF, (text) => text.replace(/^cosignature=.*\n/m, ''));
      expect(await verify()).toBe(0);

      // A witness is missing: there is a leaf, but no tree head that both have cosigned.
      await ours.stop();
      const lacking = await withPath(world, bin, 'nightly', '--force', '--json');
      expect([lacking.code, lacking.stderr]).toEqual([1, expect.stringContaining('Sigsum has no proof of the signed')]);
      const stopped = (await records(world)).at(-1);
      expect(stopped).toMatchObject({ 'atomic-nightly.state': 'incomplete' });
      const second = folderOf(world, String(stopped?.['buildid']));
      expect(existsSync(second)).toBe(false);
      await ours.start();
      const resumed = await withPath(world, bin, 'resume');
      expect(resumed.code, resumed.stderr).toBe(0);
      for (const name of [PROOF, 'provenance.intoto.jsonl']) await cp(join(second, name), join(scratch, name));
      expect(await verify()).toBe(0);
    });
  },
);

it('what sigsum-submit is told; where it is missing, fails or is killed, a build waits for a resume', async () => {
  const world = await sigsumWorld();
  const { bin, stand, called } = await standIn(world.dir);
  if ((await findProgram('sigsum-submit')) === undefined) {
    const without = await world.nightly('nightly');
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining('sigsum-submit is not installed')]);
    expect(await records(world)).toEqual([]);
  }

  // Killed while it writes, and failing.
  await stand('echo pro > "$2"; kill -9 $$');
  const killed = await withPath(world, bin, 'nightly');
  expect([killed.code, killed.stderr]).toEqual([1, expect.stringContaining('was killed by SIGKILL')]);
  const build = String((await records(world)).at(-1)?.['buildid']);
  await stand('echo "[FATA] 429 Too Many Requests" >&2; exit 1');
  const refused = await withPath(world, bin, 'resume', build);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('429 Too Many Requests')]);
  expect(existsSync(folderOf(world, build))).toBe(false);

  await stand(GOOD);
  await called();
  expect((await withPath(world, bin, 'resume', build)).code).toBe(0);
  const work = join(world.dir, 'work/builds', build, 'x86_64');
  const trust = `--policy ${world.dir}/sigsum.policy --signing-key ${world.dir}/sigsum.key`;
  const statement = join(work, 'provenance.intoto.jsonl');
  expect(await called()).toEqual([`${trust} --timeout 10s --output ${statement}.proof.tmp ${statement}`]);
  const proof = await readFile(join(folderOf(world, build), PROOF), 'utf8');
  expect(proof).toMatch(/^proof\n/);
  expect(existsSync(`${statement}.proof.tmp`)).toBe(false);
});

it('a proof that is there is verified and stays; one of another statement is made anew', async () => {
  const dir = temporaryFolder();
  const { bin, stand, called } = await standIn(dir);
  await stand(GOOD);
  const before = process.env['PATH'];
  process.env['PATH'] = `${bin}:${before}`;
  onTestFinished(() => {
    process.env['PATH'] = before;
  });
  const sigsum = {
    policy: 'POLICY',
    keyFile: 'KEY',
    token: { domain: 'example.org', keyFile: 'TOKEN' },
    timeoutSeconds: 9,
  };
  const prove = async (statement: string) => {
    await writeFile(join(dir, 'provenance.intoto.jsonl'), statement);
    await proveBySigsum(sigsum, dir, testTask(dir));
    return { proof: await readFile(join(dir, PROOF), 'utf8'), calls: await called() };
  };
  const trust = '--policy POLICY --signing-key KEY';
  const file = join(dir, 'provenance.intoto.jsonl');
  const check = `${trust} ${file}`;
  const submit = `${trust} --timeout 9s --token-domain example.org --token-signing-key TOKEN --output ${file}.proof.tmp ${file}`;
  const first = await prove('one');
  expect(first.calls).toEqual([submit]);
  expect(await prove('one')).toEqual({ proof: first.proof, calls: [check] });
  const other = await prove('other');
  expect(other.calls).toEqual([check, submit]);
  expect(other.proof).not.toBe(first.proof);
});

/** What a stand-in does that has a log: its proof is the digest of the file. */
const GOOD = '(echo proof; sha256sum < "$3") > "$2"';

/** A folder with a stand-in for sigsum-submit, which verifies what is there as the real one does. */
async function standIn(dir: string) {
  const [bin, calls] = [join(dir, 'bin'), join(dir, 'calls')];
  await mkdir(bin);
  return {
    bin,
    /** @param submits what it does to submit $3 and write $2 */
    stand: (submits: string) =>
      writeFile(
        join(bin, 'sigsum-submit'),
        `#!/bin/sh
echo "$*" >> ${calls}
case $* in *--output*) ;; *) grep -q "$(sha256sum < "$5")" "$5.proof"; exit $?;; esac
while [ "$1" != --output ]; do shift; done
${submits}
`,
        { mode: 0o755 },
      ),
    /** How it was called since the last time. */
    async called() {
      const lines = (await readFile(calls, 'utf8')).trimEnd().split('\n');
      await rm(calls);
      return lines;
    },
  };
}

/** This program's own witness, as another process. */
async function ownWitness(world: World, logVkey: string) {
  const witness = ['witness', '--key', 'witness.key', '--state', 'witness-state'];
  const made = await world.nightly(...witness, '--new-key', 'witness.example/ours');
  const listen = `127.0.0.1:${await freePort()}`;
  let child: ReturnType<typeof startCli>;
  const start = async () => {
    child = startCli(world.dir, [...witness, '--listen', listen, '--log', logVkey]);
    onTestFinished(() => killIfThere(-(child.pid ?? 0)));
    await once(child.stdout, 'data');
  };
  await start();
  return {
    url: `http://${listen}`,
    hexKey: parseVkey(made.stdout.trim(), { file: 'witness' }).publicKey.toString('hex'),
    start,
    async stop() {
      child.kill();
      await once(child, 'exit');
    },
  };
}
