import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { serveFolder } from '../support/nginx.ts';
import { commitTestTree, makeClient, makeRepo, TEST_REF, TEST_TIME, testTree } from '../support/ostree-repo.ts';
import { temporaryFolder } from '../support/tmp.ts';

const script = new URL('../support/publish-once.ts', import.meta.url).pathname;
const loader = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href;

/** Runs a publish and kills it some milliseconds after it began; Infinity lets it end. @returns whether it ended. */
function publishProcess(args: readonly string[], killAfter: number): Promise<boolean> {
  const child = spawn(process.execPath, ['--import', loader, script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.once('data', () => {
    if (Number.isFinite(killAfter)) setTimeout(() => child.kill('SIGKILL'), killAfter);
  });
  return new Promise((settle) => child.on('close', (code) => settle(code === 0)));
}

it('I1, I4: readers never meet a missing object while publishes go on, are killed, and are continued', async () => {
  const dir = temporaryFolder();
  const [near, far] = [join(dir, 'near'), join(dir, 'far')];
  await mkdir(near);
  await mkdir(far);
  const repo = await makeRepo(near);
  const { url, stop } = await serveFolder({ root: far });
  onTestFinished(stop);
  const commits: string[] = [];
  for (let night = 0; night < 3; night += 1) {
    const parent = commits.at(-1);
    const tree = testTree(400, 20, `night ${night}`);
    commits.push(await commitTestTree({ repo, tree, timestamp: TEST_TIME + night, ...(parent ? { parent } : {}) }));
  }
  const args = (commit: string): string[] => [repo, TEST_REF, commit, far, url];

  const stopped = new AbortController();
  const seen = { bySummary: 0, byRef: 0, absent: 0, commits: new Set<string>(), faults: [] as string[] };
  const refFile = join(far, 'repo/refs/heads', TEST_REF);
  const pull = async (client: string, what: string): Promise<string | undefined> => {
    const { exitCode, stderr } = await run('ostree', [`--repo=${client}`, 'pull', '--disable-fsync', 'origin', what], {
      okExitCodes: [0, 1],
    });
    return exitCode === 0 ? undefined : stderr;
  };
  const reader = (async () => {
    for (let turn = 0; !stopped.signal.aborted; turn += 1) {
      const client = await makeClient(join(dir, 'client'), `${url}/repo`);
      // The configuration is put last: from then on every pull must work. ostree's 404 does not say of what it is.
      const published = existsSync(join(far, 'repo/config'));
      // By turns as a client that follows the summary, and as one without it that goes by the ref.
      const byRef = turn % 2 === 1 && existsSync(refFile);
      const named = byRef ? (await readFile(refFile, 'utf8')).trim() : TEST_REF;
      const fault = await pull(client, named);
      if (fault !== undefined && published) seen.faults.push(fault);
      else if (fault !== undefined) seen.absent += 1;
      else if (byRef) seen.byRef += 1;
      else seen.bySummary += 1;
      if (fault === undefined) {
        const got = byRef ? named : `origin:${TEST_REF}`;
        seen.commits.add((await run('ostree', [`--repo=${client}`, 'rev-parse', got])).stdout.trim());
      }
      await rm(client, { recursive: true });
    }
  })();

  let kills = 0;
  for (const commit of commits) {
    for (const delay of [0, 30, 70, 120]) {
      if (await publishProcess(args(commit), delay + Math.random() * 30)) break;
      kills += 1;
    }
    expect(await publishProcess(args(commit), Number.POSITIVE_INFINITY)).toBe(true);
    await run('ostree', [`--repo=${join(far, 'repo')}`, 'fsck', '--quiet']);
  }
  stopped.abort();
  await reader;
  expect(seen.faults).toEqual([]);
  expect(kills).toBeGreaterThan(4);
  expect(seen.bySummary).toBeGreaterThan(2);
  expect(seen.byRef).toBeGreaterThan(2);
  for (const commit of seen.commits) expect(commits).toContain(commit);
  const { stdout } = await run('cat', [join(far, 'repo/refs/heads', TEST_REF)]);
  expect(stdout.trim()).toBe(commits.at(-1));
}, 180_000);
