import type { Task } from '../../base/task.ts';
import { localObjects, parseCommit } from '../../ostree/objects.ts';
import { HEADS_FOLDER, refBehind } from '../alias-refs.ts';
import type { ReconcilePlan, Unrepairable } from './reconcile-plan.ts';
import { type RefsQuestion, type RefsThere, readRefsThere } from './refs-there.ts';

export interface RefsRequest extends RefsQuestion {
  /** Whether the summary must have a signature. */
  readonly signed: boolean;
  /** Whether a signature is one over that summary; without, that it is there is enough. */
  readonly isSigned?: ((summary: Uint8Array, signature: Uint8Array) => Promise<boolean>) | undefined;
}

export interface RefsFound {
  /** What each ref is to name. */
  readonly commits: ReadonlyMap<string, string>;
  readonly flips: ReconcilePlan['flips'];
  readonly remove: readonly string[];
  readonly unrepairable: readonly Unrepairable[];
}

/** What the steps of a comparison add to. */
interface Findings {
  readonly commits: Map<string, string>;
  readonly flips: { readonly ref: string; readonly commit: string; readonly why: string }[];
  readonly unrepairable: Unrepairable[];
}

/**
 * Compares the refs of a target with its summary. A publish writes the ref first, so where they differ the later commit
 * is right; where both are lost, the local ref is, which moves once all targets have the commit, and for a
 * tested ref the pointer beside it. An alias follows the ref behind it, and its link stays.
 */
export async function compareRefs(request: RefsRequest, task: Task): Promise<RefsFound> {
  const there = await readRefsThere(request, task);
  const { inSummary, remembered, links } = there;
  const all = [...new Set([...request.listed, ...(inSummary?.keys() ?? []), ...remembered.keys()])];
  const isAlias = (ref: string): boolean => refBehind(ref, links) !== ref;
  const found: Findings = { commits: new Map(), flips: [], unrepairable: [] };
  for (const ref of all.filter((one) => !isAlias(one))) await compareRef(ref, request, there, found);
  const own = [...found.commits];
  for (const ref of all.filter(isAlias)) await compareAlias(ref, request, there, found);
  const why = await whyMadeAnew(request, there);
  if (why !== undefined && found.flips.length === 0) await flipFirst(own, why, request, found);
  return { ...found, remove: damagedFiles(there) };
}

/** Settles which commit a ref is to name, and what has to be done so that its file and the summary both name it. */
async function compareRef(
  ref: string,
  { repo, listed }: RefsRequest,
  { inFiles, inSummary, remembered }: RefsThere,
  { commits, flips, unrepairable }: Findings,
): Promise<void> {
  const [file, entry] = [inFiles.get(ref), inSummary?.get(ref)];
  const commit = file === entry && file !== undefined ? file : await chosen(repo, file, entry, remembered.get(ref));
  if (commit !== undefined) commits.set(ref, commit);
  if (commit !== undefined && file === commit && entry === commit) return;
  const why =
    file === undefined
      ? 'its file is not there'
      : entry === undefined
        ? 'the summary does not list it'
        : `the summary names ${entry.slice(0, 12)}, its file ${file.slice(0, 12)}`;
  if (commit !== undefined && (await isHere(repo, commit))) flips.push({ ref, commit, why });
  else if (file !== undefined || entry !== undefined || listed.includes(ref)) {
    const hint = 'Publish the next build of it, or repair from the machine that publishes it.';
    unrepairable.push({ what: `ref ${ref}`, why: `${why}, and the commit is not in ${repo}`, hint });
  }
}

/** An alias names what the ref behind it names; `compareRef` has been called for that one. */
async function compareAlias(
  ref: string,
  { repo }: RefsRequest,
  { links, inSummary }: RefsThere,
  { commits, flips, unrepairable }: Findings,
): Promise<void> {
  const behind = refBehind(ref, links);
  const commit = behind === undefined ? undefined : commits.get(behind);
  if (behind === undefined || commit === undefined) {
    const hint = `Put back what it leads to, or remove the link below ${HEADS_FOLDER} there.`;
    unrepairable.push({ what: `ref ${ref}`, why: 'it is a symbolic link that leads to no ref', hint });
    return;
  }
  commits.set(ref, commit);
  const entry = inSummary?.get(ref);
  // The link itself is never written over: its summary entry follows when the ref behind it is set.
  if (entry === undefined || entry === commit || flips.some((flip) => flip.ref === behind)) return;
  const why = `the summary names ${entry.slice(0, 12)} for its alias ${ref}`;
  if (await isHere(repo, commit)) flips.push({ ref: behind, commit, why });
}

/** Returns why some ref has to be set although all are right: that writes the configuration, the summary and its signature. */
async function whyMadeAnew(
  { signed, isSigned }: RefsRequest,
  { config, summary, inSummary, signature }: RefsThere,
): Promise<string | undefined> {
  if (config !== 'good') return 'the configuration is not there';
  if (!signed || !summary || !inSummary) return undefined;
  const isGood = signature && (!isSigned || (await isSigned(summary, signature)));
  return isGood ? undefined : 'the summary has no good signature';
}

async function flipFirst(
  refs: readonly (readonly [string, string])[],
  why: string,
  { repo }: RefsRequest,
  { flips }: Findings,
): Promise<void> {
  for (const [ref, commit] of refs) {
    if (!(await isHere(repo, commit))) continue;
    flips.push({ ref, commit, why });
    return;
  }
}

/** Returns the files that would stand in the way of new ones. */
function damagedFiles({ config, summary, inSummary, signature }: RefsThere): string[] {
  const ofSummary = summary && !inSummary ? ['repo/summary', ...(signature ? ['repo/summary.sig'] : [])] : [];
  return [...ofSummary, ...(config === 'damaged' ? ['repo/config'] : [])];
}

async function chosen(
  repo: string,
  file: string | undefined,
  entry: string | undefined,
  remembered: string | undefined,
): Promise<string | undefined> {
  if (file === undefined || entry === undefined) return file ?? entry ?? remembered;
  const [a, b] = await Promise.all([file, entry].map((commit) => timeOf(repo, commit)));
  return a === undefined || (b !== undefined && b > a) ? (b === undefined ? undefined : entry) : file;
}

async function timeOf(repo: string, commit: string): Promise<number | undefined> {
  const bytes = await localObjects(repo)(commit, 'commit');
  return bytes && parseCommit(commit, bytes).timestamp;
}

async function isHere(repo: string, commit: string): Promise<boolean> {
  return (await localObjects(repo)(commit, 'commit')) !== undefined;
}
