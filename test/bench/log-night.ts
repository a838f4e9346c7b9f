import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildLab, updateLab } from '../../src/lab/build-lab.ts';
import { run } from '../../src/programs/exec.ts';
import { BENCH_TASK, printBar, timed } from '../support/log-bench.ts';
import { serveFolder } from '../support/nginx.ts';
import { median } from '../support/statistics.ts';
import { runCli } from '../support/world.ts';

const PACKAGES = ['curl', 'tree'];

/** Nights of two projects over one lab in turns: one keeps a log and attests its builds, one does neither. */
export async function benchNight(dir: string, runs: number): Promise<void> {
  const published = join(dir, 'published');
  await mkdir(published, { recursive: true });
  const server = await serveFolder({ root: published, counts: true });
  try {
    const labDir = join(dir, 'lab');
    const lab = await buildLab({ dir: labDir, publicUrl: server.url }, BENCH_TASK);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = join(dir, 'statements.pem');
    await writeFile(pem, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    const attested = `    attestations:
      sbom: true
      statement: {builder: 'https://bench.example.org', key: {type: key-file, key-file: ${pem}}}
`;
    const project = async (name: string, log: string, stream: string) => {
      const folder = join(published, name);
      await mkdir(folder);
      const config = `name: bench
work: ./work-${name}
engine: dnf
targets:
  out: {type: directory, path: ${folder}, url: '${server.url}/${name}'}
${log}streams:
  nightly:
    treefile: ${lab.treefile}
    ref: bench/x86_64/nightly
    seed: {allow-new: true}
    targets: [out]
    images: [generic-cloud]
    smoke-test: false
${stream}`;
      await writeFile(join(dir, `${name}.yaml`), config);
      return async (...args: readonly string[]): Promise<string> => {
        const { code, stdout, stderr } = await runCli(dir, [...args, '--config', `${name}.yaml`]);
        if (code !== 0) throw new Error(`${args.join(' ')} ended with exit code ${code}\n${stderr}`);
        return stdout;
      };
    };
    const logged = await project('logged', 'log: {home: out, key-file: ./log.key}\n', attested);
    const plain = await project('plain', '', '    attestations: {sbom: false}\n');
    const vkey = (await logged('log', 'init')).trim().split('\n').at(-1) ?? '';
    // The first night has everything to do.
    for (const night of [logged, plain]) await night('nightly', '--json');
    const ratios: number[] = [];
    let build = '';
    for (let turn = 0; turn < runs; turn += 1) {
      await updateLab({ dir: labDir, packages: PACKAGES }, BENCH_TASK);
      const seconds = new Map<string, number>();
      const both = [
        ['logged', logged],
        ['plain', plain],
      ] as const;
      // Each is first in turn: what the disk keeps of one is there for the other.
      for (const [name, night] of turn % 2 === 0 ? both : both.toReversed()) {
        const took = await timed(async () => {
          const { build: id } = JSON.parse(await night('nightly', '--json'));
          if (name === 'logged') build = id;
        });
        seconds.set(name, took);
      }
      const [ours = 0, without = 0] = [seconds.get('logged'), seconds.get('plain')];
      console.log(
        `night ${turn + 1}: with log, bill of materials and statement ${ours.toFixed(2)} s, without ${without.toFixed(2)} s`,
      );
      ratios.push(ours / without);
    }
    printBar('a night with all of that to one without, pair by pair', median(ratios), 1.05, ' times');
    await countRequests({ dir, url: `${server.url}/logged`, vkey, build, requests: server.requests });
  } finally {
    await server.stop();
  }
}

/** An anonymous client verifies a build with the script that is published (docs/verify-releases.md). */
async function countRequests(about: {
  readonly dir: string;
  readonly url: string;
  readonly vkey: string;
  readonly build: string;
  requests(): Promise<readonly string[]>;
}): Promise<void> {
  const { dir, url, vkey, build, requests } = about;
  await requests();
  const sums = `builds/${build}/x86_64/SHA256SUMS`;
  const script = `curl -fsSO '${url}/get/verify.sh' -fO '${url}/${sums}' -fo proof '${url}/log/proofs/${sums}.tlog-proof'
sh verify.sh -k '${vkey}' SHA256SUMS proof`;
  const { stdout } = await run('sh', ['-ec', script], { cwd: dir });
  console.log(`  ${stdout.trim()}`);
  printBar('requests of an anonymous client that verifies a build', (await requests()).length, 3);
}
