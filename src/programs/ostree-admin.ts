import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { pullLocalPath } from './ostree.ts';

/** `ostree admin` and what a sysroot's own repo needs; src/programs/ostree.ts has the commands for plain repositories. */

/**
 * Makes an empty sysroot: `/boot`, `/ostree` with a bare repo, and the stateroot of that name with its `/var`.
 * @throws NightlyError `tool-missing`, `tool-failed`, `disk-full`.
 */
export async function initSysroot(sysroot: string, osName: string, task: Task): Promise<void> {
  await run('ostree', ['admin', 'init-fs', '--modern', sysroot], { task });
  await run('ostree', ['admin', 'os-init', `--sysroot=${sysroot}`, osName], { task });
}

/** Sets one key of a repo's config file: `sysroot.bootloader`, `remote "lab".url`. */
export async function setRepoConfig(
  repo: string,
  group: string,
  key: string,
  value: string,
  task: Task,
): Promise<void> {
  await run('ostree', ['config', `--repo=${repo}`, 'set', `--group=${group}`, key, value], { task });
}

/**
 * Copies a commit into the sysroot's repo and gives it the ref `remote:ref`, as a host that pulled it has it. Nothing
 * is synced to disk on the way: a sysroot in a scratch folder is made again after a crash.
 */
export async function pullIntoSysroot(
  request: {
    readonly sysroot: string;
    readonly repo: string;
    readonly commit: string;
    readonly remote: string;
    readonly ref: string;
  },
  task: Task,
): Promise<void> {
  const inner = `${request.sysroot}/ostree/repo`;
  const repo = pullLocalPath(request.repo);
  await run('ostree', ['pull-local', `--repo=${inner}`, '--disable-fsync', repo, request.commit], { task });
  await run('ostree', ['refs', `--repo=${inner}`, `--create=${request.remote}:${request.ref}`, request.commit], {
    task,
  });
}

export interface DeployRequest {
  readonly sysroot: string;
  readonly osName: string;
  /** `remote:ref`; becomes the deployment's origin. */
  readonly refspec: string;
  readonly kernelArguments: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Deploys a ref in a sysroot that is not booted, with exactly these kernel arguments and ostree's own. */
export async function deploy(request: DeployRequest, task: Task): Promise<void> {
  await run(
    'ostree',
    [
      'admin',
      'deploy',
      `--sysroot=${request.sysroot}`,
      `--os=${request.osName}`,
      '--no-merge',
      // --karg keeps only the last of several console=.
      ...request.kernelArguments.map((argument) => `--karg-append=${argument}`),
      request.refspec,
    ],
    // Otherwise the deployment's root folder is made immutable (chattr +i) and scratch cannot be removed after a kill.
    { task, env: { ...request.env, OSTREE_SYSROOT_DEBUG: 'mutable-deployments' } },
  );
}

/** Whether a commit's tree has that absolute path. @throws NightlyError `tool-failed` when the commit is not there. */
export async function treeHas(repo: string, commit: string, path: string, task: Task): Promise<boolean> {
  const listed = await run('ostree', ['ls', `--repo=${repo}`, commit, path], { task, okExitCodes: [0, 1] });
  if (listed.exitCode === 0) return true;
  // ls ends with 1 for every fault; only the root of a commit that is there can always be listed.
  await run('ostree', ['ls', '-d', `--repo=${repo}`, commit, '/'], { task });
  return false;
}

export interface Deployment {
  readonly booted: boolean;
  readonly osName: string;
  readonly commit: string;
  /** Tells several deployments of one commit apart. */
  readonly serial: number;
  /** `pending`, `rollback`, `staged`: what ostree says in parentheses. */
  readonly marks: readonly string[];
  readonly version?: string | undefined;
  /** `remote:ref`, or a checksum. */
  readonly origin?: string | undefined;
}

/** Reads what `ostree admin status` prints: deployments in boot order, each with indented lines below it. */
export function parseAdminStatus(text: string): Deployment[] {
  const deployments: Deployment[] = [];
  for (const line of text.split('\n')) {
    const head = /^([* ]) (\S+) ([0-9a-f]{64})\.(\d+)((?: \([^)]*\))*)\s*$/.exec(line);
    if (head) {
      const [, booted, osName = '', commit = '', serial = '0', marks = ''] = head;
      deployments.push({
        booted: booted === '*',
        osName,
        commit,
        serial: Number(serial),
        marks: [...marks.matchAll(/\(([^)]*)\)/g)].map(([, mark = '']) => mark),
      });
      continue;
    }
    const last = deployments.at(-1);
    const version = /^\s+Version: (.+)$/.exec(line)?.[1];
    const origin = /^\s+origin refspec: (.+)$/.exec(line)?.[1];
    if (!last || (version === undefined && origin === undefined)) continue;
    deployments[deployments.length - 1] = {
      ...last,
      version: version ?? last.version,
      origin: origin ?? last.origin,
    };
  }
  return deployments;
}
