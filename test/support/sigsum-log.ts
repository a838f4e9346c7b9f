import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../src/base/free-port.ts';
import { type RunningProcess, run, start } from '../../src/programs/exec.ts';
import { oracle } from './oracles.ts';
import { until } from './until.ts';

/** Sigsum's log server, which keeps its tree in memory, at an address of its own. It begins anew each time that it starts. */
export interface SigsumLog {
  /** Its public key as the witnesses of notes have it: `NAME+ID+KEY`. */
  readonly vkey: string;
  /** In hex, as Sigsum's policies and litewitness have it. */
  readonly hexKey: string;
  /** The line of a policy that names it. */
  readonly line: string;
  /** Starts it. @param policy text of a policy: its witnesses are asked */
  start(policy: string): Promise<void>;
  stop(): Promise<void>;
}

/** Makes one that does not run yet. */
export async function makeSigsumLog(dir: string): Promise<SigsumLog> {
  await mkdir(dir);
  const key = join(dir, 'log.key');
  const keys = async (...args: string[]) => (await run(oracle('sigsum-key'), args)).stdout.trim();
  await keys('generate', '-o', key);
  const hexKey = await keys('to-hex', '-k', `${key}.pub`);
  const [outside, inside] = [await freePort(), await freePort()];
  let running: RunningProcess | undefined;
  return {
    hexKey,
    vkey: await keys('to-vkey', '-k', `${key}.pub`),
    line: `log ${hexKey} http://127.0.0.1:${outside}/`,
    async start(policy) {
      const [policyFile, head] = [join(dir, 'policy'), join(dir, 'head')];
      await writeFile(policyFile, policy);
      await run('rm', ['-f', head]);
      await run(oracle('sigsum-mktree'), ['--mode', 'empty', '--sth-file', head]);
      const files = ['--key-file', key, '--policy-file', policyFile, '--sth-file', head];
      const ports = ['--external-endpoint', `127.0.0.1:${outside}`, '--internal-endpoint', `127.0.0.1:${inside}`];
      running = await start(
        oracle('sigsum-log-primary'),
        ['--backend', 'ephemeral', '--interval', '2s', ...files, ...ports],
        // As Debian builds it, it finds none of its own pages without.
        { env: { GODEBUG: 'httpmuxgo121=0' } },
      );
      const url = `http://127.0.0.1:${outside}/get-tree-head`;
      await until(() =>
        fetch(url).then(
          ({ ok }) => ok,
          () => false,
        ),
      );
    },
    async stop() {
      await running?.stop();
      running = undefined;
    },
  };
}
