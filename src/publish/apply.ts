import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { NightlyError } from '../errors.ts';
import { asArray, asBytes, asString, decodeVariant } from '../ostree/gvariant.ts';
import type { Target } from '../targets/target.ts';
import { writeFileAtomic } from '../tools/files.ts';
import { initRepo, updateSummary } from '../tools/ostree.ts';
import type { Task } from '../tools/task.ts';
import type { PublishPlan } from './plan.ts';
import { fetchCommit } from './published.ts';

/**
 * Carries out a plan. The order is what keeps readers safe (I1): content, folders, the commit, and only then the ref
 * and the summary, by one small compare-and-swap. Every part may be repeated, so after a kill the same call goes on.
 * @throws NightlyError `target-moved`, `locked`, and what the target's `send` throws.
 */
export async function applyPublish(
  plan: PublishPlan,
  { repo, target }: { readonly repo: string; readonly target: Target },
  task: Task,
): Promise<void> {
  await createRepo(target, task);
  const bytes = plan.phases.reduce((sum, phase) => sum + phase.bytes, 0);
  const objects = plan.phases.reduce((sum, phase) => sum + phase.paths.length, 0);
  task.say(`${objects} objects, ${(bytes / 1e6).toFixed(1)} MB to ${target.describe()}`);
  for (const { paths } of plan.phases) {
    const inRoot = paths.map((path) => `repo/${path}`);
    await target.send(resolve(repo, '..'), inRoot, { immutable: true }, task);
  }
  await flip(plan, repo, target, task);
}

/** An archive repository as a client needs it: its configuration; folders come with the objects. */
async function createRepo(target: Target, task: Task): Promise<void> {
  const path = 'repo/config';
  if (await target.read(path, task)) return;
  const content = Buffer.from('[core]\nrepo_version=1\nmode=archive-z2\ntombstone-commits=true\n');
  await target.swap({ expect: [{ path, content: undefined }], put: [{ path, content }] }, task);
}

/** Tries with the refs of other streams as they are now; another publisher of another ref may change them meanwhile. */
const FLIP_TRIES = 5;

async function flip(plan: PublishPlan, repo: string, target: Target, task: Task): Promise<void> {
  const refPath = `repo/refs/heads/${plan.ref}`;
  for (let attempt = 1; ; attempt += 1) {
    const [ref, summary] = [await target.read(refPath, task), await target.read('repo/summary', task)];
    const refs = summary ? summaryRefs(summary) : new Map<string, string>();
    const at = ref && new TextDecoder().decode(ref).trim();
    if (at === plan.to && refs.get(plan.ref) === plan.to) return;
    if (at !== plan.to && at !== plan.from) {
      throw new NightlyError(
        'target-moved',
        `Target "${target.name}" now has ${at ?? 'nothing'} at ${plan.ref}, not ${plan.from ?? 'nothing'}: somebody else published meanwhile.`,
        { hint: 'Run "atomic-nightly nightly" for a new build on top of what is published now.' },
      );
    }
    const next = await buildSummary(repo, refs.set(plan.ref, plan.to), target, task);
    try {
      await target.swap(
        {
          expect: [
            { path: refPath, content: ref },
            { path: 'repo/summary', content: summary },
          ],
          // Clients with a summary follow it alone, others the ref: either finds every object there.
          put: [
            { path: refPath, content: Buffer.from(`${plan.to}\n`) },
            { path: 'repo/summary', content: next },
          ],
        },
        task,
      );
      return;
    } catch (error) {
      const passing = error instanceof NightlyError && ['target-moved', 'locked'].includes(error.code);
      if (!passing || attempt === FLIP_TRIES) throw error;
      task.say(`another publisher is at work on ${target.name}; trying again`);
      await new Promise((settle) => setTimeout(settle, 1000 * attempt));
    }
  }
}

/** Refs and their commits as a summary names them (ostree-core.h, `OSTREE_SUMMARY_GVARIANT_FORMAT`). */
export function summaryRefs(summary: Uint8Array): Map<string, string> {
  const [refs] = asArray(decodeVariant('(a(s(taya{sv}))a{sv})', summary));
  return new Map(
    asArray(refs).map((entry) => {
      const [ref, commit] = asArray(entry);
      return [asString(ref), Buffer.from(asBytes(asArray(commit)[1])).toString('hex')];
    }),
  );
}

/**
 * The summary for these refs, made by ostree in a repository aside that borrows the local one's objects: what the
 * target serves is never touched by it, and local refs that are not published stay out.
 */
async function buildSummary(
  repo: string,
  refs: ReadonlyMap<string, string>,
  target: Target,
  task: Task,
): Promise<Uint8Array> {
  const scratch = join(repo, '..', 'scratch');
  await mkdir(scratch, { recursive: true });
  const aside = await mkdtemp(join(scratch, 'summary-'));
  try {
    await initRepo(aside, 'archive', task);
    await rm(join(aside, 'objects'), { recursive: true });
    await symlink(resolve(repo, 'objects'), join(aside, 'objects'));
    for (const [ref, commit] of refs) {
      // The summary names each commit's size and time, so another stream's commit is needed too.
      await fetchCommit(repo, commit, target, task);
      await writeFileAtomic(join(aside, 'refs/heads', ref), `${commit}\n`);
    }
    await updateSummary(aside, task);
    return await readFile(join(aside, 'summary'));
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}
