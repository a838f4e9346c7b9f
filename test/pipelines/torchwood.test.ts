import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { makeLitewitness } from '../support/litewitness.ts';
import { VECTORS } from '../support/log-files.ts';
import { keepLog } from '../support/logged-world.ts';
import { describeWith, oracle } from '../support/oracles.ts';
import { reconfigure } from '../support/package-world.ts';
import { sharedFolder, temporaryFolder } from '../support/tmp.ts';
import { buildTorchwood } from '../support/torchwood.ts';
import { makeWorld, pulled, records } from '../support/world.ts';

describeWith(
  ['litewitness', 'witnessctl', 'torchwood', 'spicy-torchwood'],
  'torchwood, its witness and its library',
  () => {
    const dir = sharedFolder();
    let ask: ReturnType<typeof buildTorchwood>;
    beforeAll(() => {
      ask = buildTorchwood(dir);
    }, 600_000);

    it('cosigns a night; while it is stopped a build is incomplete and nothing of it visible, and resume completes it', async () => {
      const world = await makeWorld(temporaryFolder());
      onTestFinished(() => world.stop());
      const vkey = await keepLog(world);
      const witness = await makeLitewitness(temporaryFolder());
      onTestFinished(() => witness.end());
      await witness.addLog(vkey.split('+')[0] ?? '', vkey);
      await witness.start();
      const policy = join(world.dir, 'policy');
      await writeFile(policy, `log ${vkey}\nwitness lite ${witness.vkey} ${witness.url}\nquorum lite\n`);
      await reconfigure(world, (text) => text.replace('log: {', `log: {policy: ${policy}, `));
      const audited = () => world.nightly('audit', world.url, '--policy', policy, '--state', 'audit.json');

      const first = await world.nightly('nightly');
      expect(first.code, first.stderr).toBe(0);
      const checkpoint = () => readFile(join(world.published, 'log/checkpoint'), 'utf8');
      expect(await checkpoint()).toContain(`\n— ${witness.key.name} `);
      expect(await audited()).toMatchObject({ code: 0 });
      const commit = await pulled(world, join(world.dir, 'client'));

      await witness.stop();
      await world.distro.bump('app');
      const before = await readFile(join(world.published, 'builds/builds.json'), 'utf8');
      const second = await world.nightly('nightly');
      expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('Too few witnesses have cosigned')]);
      expect((await records(world))[1]).toMatchObject({ 'atomic-nightly.state': 'incomplete' });
      expect(await readFile(join(world.published, 'builds/builds.json'), 'utf8')).toBe(before);
      expect(await pulled(world, join(world.dir, 'client-2'))).toBe(commit);

      await witness.start();
      const resumed = await world.nightly('resume');
      expect(resumed.code, resumed.stderr).toBe(0);
      expect((await records(world))[1]).toMatchObject({ 'atomic-nightly.state': 'complete' });
      expect(await pulled(world, join(world.dir, 'client-3'))).not.toBe(commit);
      expect(await checkpoint()).toContain(`\n— ${witness.key.name} `);
      expect(await audited()).toMatchObject({ code: 0 });

      // The library reads what is published, by the policy as it stands.
      const log = join(world.published, 'log');
      const paths = (await filesBelow(join(log, 'proofs'))).map((path) => join(log, 'proofs', path));
      const proofs = await Promise.all(paths.map((path) => readFile(path)));
      expect(proofs.length).toBeGreaterThan(4);
      const rules = await readFile(policy, 'utf8');
      const answer = ask({ policy: rules, log, proofs });
      expect(answer).toMatchObject({ Log: '', Proofs: proofs.map(() => '') });
      const proven = proofs.map((proof) => /^extra (.*)$/m.exec(proof.toString())?.[1]);
      expect(answer.Entries).toEqual(expect.arrayContaining(proven));

      // The program that comes with it reads an older form, without the first line.
      const spicy = async (entry: string, of: Uint8Array) => {
        await writeFile(join(dir, 'entry'), Buffer.from(entry, 'base64'));
        const lines = Buffer.from(of).toString().split('\n');
        await writeFile(
          join(dir, 'entry.spicy'),
          lines.slice(lines.findIndex((line) => line.startsWith('index'))).join('\n'),
        );
        const args = ['-verify', vkey, join(dir, 'entry')];
        return (await run(oracle('spicy-torchwood'), args, { okExitCodes: [0, 1] })).exitCode;
      };
      for (const [at, one] of proofs.entries()) expect(await spicy(proven[at] ?? '', one)).toBe(0);
      expect(await spicy(Buffer.from('another').toString('base64'), proofs[0] ?? Buffer.alloc(0))).toBe(1);

      // Each line of a proof changed in one letter, the log's policy for another witness, a changed tile and a changed entry.
      const [proof = Buffer.alloc(0)] = proofs;
      const forged = forgeries(proof);
      const refused = ask({ policy: rules, proofs: forged }).Proofs ?? [];
      expect(refused.map((text, at) => [forged[at]?.toString(), text.slice(0, 8)])).toEqual(
        forged.map((text) => [text.toString(), 'refused:']),
      );
      const other = rules.replace(/^witness .*$/m, `witness lite ${VECTORS.witnessVkey}`);
      expect(ask({ policy: other, log, proofs: [proof] })).toMatchObject({
        Log: expect.stringMatching(/^refused/),
        Proofs: [expect.stringMatching(/^refused/)],
      });
      const copy = join(world.dir, 'copy');
      for (const tile of ['tile/0', 'tile/entries']) {
        await cp(log, copy, { recursive: true });
        for (const path of await filesBelow(join(copy, tile))) {
          const bytes = await readFile(join(copy, tile, path));
          bytes[bytes.length - 3] = (bytes.at(-3) ?? 0) ^ 1;
          await writeFile(join(copy, tile, path), bytes);
        }
        expect([tile, ask({ policy: rules, log: copy }).Log]).toEqual([tile, expect.stringMatching(/^refused/)]);
        await rm(copy, { recursive: true });
      }
    }, 600_000);
  },
);

/** A proof with one letter changed in each of its lines, in turn; and with a line less. */
function forgeries(proof: Uint8Array): Buffer[] {
  const lines = Buffer.from(proof).toString().split('\n').slice(0, -1);
  const text = (all: readonly string[]) => Buffer.from(`${all.join('\n')}\n`);
  return lines.flatMap((line, at) => {
    const middle = Math.floor(line.length / 2);
    const other = `${line.slice(0, middle)}${line[middle] === 'A' ? 'B' : 'A'}${line.slice(middle + 1)}`;
    return [text(lines.with(at, other)), text(lines.toSpliced(at, 1))];
  });
}
