import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { addRemote, initRepo, resolveRef } from './ostree.ts';

/** Name of the one remote of a client's repository. */
const REMOTE = 'origin';

/** What a client demands of a repository it pulls from. */
export interface ClientTrust {
  /** Public key files; with any, a commit must be signed by one. */
  readonly gpgKeys: readonly string[];
  /** Whether the summary must be signed by one, too. */
  readonly signedSummary: boolean;
}

/** A fresh client's repository that follows the repository at that URL. */
export async function makeClient(repo: string, url: string, trust: ClientTrust, task: Task): Promise<void> {
  await initRepo(repo, 'bare-user', task);
  await addRemote({ repo, name: REMOTE, url, ...trust }, task);
}

export interface ClientPull {
  readonly repo: string;
  readonly ref: string;
  /** Instead of what the ref names; the client's ref then names it. Refs it was not made for will do as well. */
  readonly commit?: string;
  /** `no`: every object by itself, `must`: by a static delta or not at all, `may`: as ostree likes. */
  readonly deltas: 'no' | 'may' | 'must';
  /** Objects of this repository need not be fetched. */
  readonly cache?: string | undefined;
}

const DELTA_OPTIONS = { no: ['--disable-static-deltas'], may: [], must: ['--require-static-deltas'] } as const;

/** Pulls as a client does; every object is checked. @returns the commit. @throws NightlyError `tool-failed`. */
export async function pullAsClient({ repo, ref, commit, deltas, cache }: ClientPull, task: Task): Promise<string> {
  const options = [
    ...DELTA_OPTIONS[deltas],
    // The repository is looked at and removed.
    '--disable-fsync',
    ...(cache === undefined ? [] : [`--localcache-repo=${cache}`]),
    ...(commit === undefined ? [] : ['--disable-verify-bindings']),
  ];
  const what = commit === undefined ? ref : `${ref}@${commit}`;
  await run('ostree', ['pull', `--repo=${repo}`, ...options, REMOTE, what], { task });
  return resolveRef(repo, `${REMOTE}:${ref}`, task);
}
