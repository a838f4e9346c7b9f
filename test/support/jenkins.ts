import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';

const SHIM = new URL('../jenkins/shim.groovy', import.meta.url).pathname;
export const JENKINS = new URL('../../jenkins', import.meta.url).pathname;

/** Why no pipeline can be run here; undefined when one can. */
export function whyNoGroovy(): string | undefined {
  const there = ['/usr/bin/groovy', '/usr/lib/jvm/default-java'].every((path) => existsSync(path));
  return there ? undefined : 'groovy missing: run scripts/bootstrap.sh --tests';
}

export interface JenkinsAgent {
  readonly name: string;
  readonly labels: readonly string[];
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** A controller that knows jobs, agents and secrets. */
export interface JenkinsSetup {
  /** Checked out on each agent. */
  readonly repository: string;
  readonly agents: readonly JenkinsAgent[];
  readonly credentials: Readonly<Record<string, string>>;
  /** Who answers an input step; nobody unless given. */
  readonly input?: Readonly<Record<string, string>>;
}

export interface JobRun {
  readonly job: string;
  readonly result: 'SUCCESS' | 'NOT_BUILT' | 'UNSTABLE' | 'FAILURE';
  readonly description: string | null;
  readonly params: Readonly<Record<string, string>>;
  readonly artifacts: readonly string[];
  readonly reports: readonly { readonly name: string; readonly tests: number; readonly failures: number }[];
}

export interface JenkinsResult {
  /** The job's first, then those it started. Empty when it was killed. */
  readonly runs: readonly JobRun[];
  readonly log: string;
}

const JOBS = {
  'atomic-nightly': 'Jenkinsfile.nightly',
  'atomic-images': 'Jenkinsfile.images',
  'atomic-promote': 'Jenkinsfile.promote',
  'atomic-rebuild': 'Jenkinsfile.rebuild',
};

/** An agent with a work folder of its own, `DIR/NAME/work`. @param path what stands in front of its PATH */
export async function makeJenkinsAgent(
  dir: string,
  name: string,
  labels: readonly string[],
  path: string,
): Promise<JenkinsAgent> {
  const folder = join(dir, name);
  const work = join(folder, 'work');
  await mkdir(work, { recursive: true });
  const environment = { PATH: `${path}:${process.env['PATH']}`, ATOMIC_NIGHTLY_WORK: work, ATOMIC_LOCK_WAIT: '0' };
  return { name, labels, folder, environment };
}

/** Runs a job to its end, on a stand-in of Jenkins (test/jenkins/shim.groovy). @param until when it says so, everything is killed */
export async function runJob(
  dir: string,
  setup: JenkinsSetup,
  job: keyof typeof JOBS,
  params: Readonly<Record<string, string>>,
  until?: () => boolean,
): Promise<JenkinsResult> {
  const world = join(dir, 'jenkins-world.json');
  await writeFile(world, JSON.stringify({ ...setup, jobs: JOBS, job, params }));
  const child = spawn('groovy', [SHIM, 'run', world], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      log += chunk;
    });
  const watch = setInterval(() => {
    if (until?.() && child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  }, 20);
  await new Promise((resolve) => child.on('close', resolve));
  clearInterval(watch);
  return { runs: JSON.parse(/^RESULT (.*)$/m.exec(log)?.[1] ?? '[]'), log };
}

/** What the shim prints for one of its other commands. */
export async function shim(...args: readonly string[]): Promise<string> {
  return (await run('groovy', [SHIM, ...args])).stdout;
}
