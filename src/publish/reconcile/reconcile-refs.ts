import { readRecordIfGood } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { keyfileGroup } from '../../ostree/keyfile.ts';
import { isChecksum, localObjects, parseCommit, readRef } from '../../ostree/objects.ts';
import { signatureName } from '../../published/paths.ts';
import type { RecordTrust } from '../../published/record-trust.ts';
import { TESTED_POINTER, testedPath } from '../../published/stream-files.ts';
import type { Target } from '../../targets/target.ts';
import { HEADS_FOLDER, refBehind } from '../alias-refs.ts';
import { summaryRefs } from '../summary.ts';
import type { ReconcilePlan, Unrepairable } from './reconcile-plan.ts';

export interface RefsRequest {
  /** The local repository. */
  readonly repo: string;
  readonly target: Target;
  /** Refs whose file is there. */
  readonly listed: readonly string[];
  /** Refs that the target should have as the local repository has them. */
  readonly refs: readonly string[];
  /** What further refs are to name where the target has lost them. */
  readonly heads?: ReadonlyMap<string, string> | undefined;
  /** Names of streams: their `tested.json` records what the tested ref named. */
  readonly streams: readonly string[];
  /** Judges those files; without it, all are believed. */
  readonly trust?: RecordTrust | undefined;
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

/** One of ostree's; a configuration without is cut short. */
const MODES = ['archive', 'archive-z2', 'bare', 'bare-user', 'bare-user-only', 'bare-split-xattrs'];

const modeOf = (config: Uint8Array): string => keyfileGroup(new TextDecoder().decode(config), 'core').get('mode') ?? '';

const PATHS = ['repo/config', 'repo/summary', 'repo/summary.sig'] as const;

/**
 * Compares the refs of a target with its summary. A publish writes the ref first, so where they differ the later commit
 * is right; where both are lost, the local ref is, which moves once all targets have the commit, and for a
 * tested ref the pointer beside it. An alias follows the ref behind it, and its link stays.
 */
export async function compareRefs(request: RefsRequest, task: Task): Promise<RefsFound> {
  const { repo, target, listed, streams, signed, isSigned, trust } = request;
  const pointers = streams.map((name) => testedPath(name));
  const refPaths = listed.map((ref) => `${HEADS_FOLDER}/${ref}`);
  const { contents: read, links } = await target.readWithLinks(
    [...PATHS, ...pointers, ...pointers.map(signatureName), ...refPaths],
    HEADS_FOLDER,
    task,
  );
  const [config, summary, signature] = read;
  const contents = read.slice(PATHS.length + 2 * pointers.length);
  const remembered = new Map<string, string>();
  for (const [index, path] of pointers.entries()) {
    const [content, beside] = [read[PATHS.length + index], read[PATHS.length + pointers.length + index]];
    if (!content || (trust && !(await trust.believes(path, content, beside)))) continue;
    for (const [ref, commit] of testedRefs(content)) remembered.set(ref, commit);
  }
  for (const ref of request.refs) {
    const commit = await readRef(repo, ref);
    if (commit !== undefined) remembered.set(ref, commit);
  }
  for (const [ref, commit] of request.heads ?? []) remembered.set(ref, commit);
  const inFiles = new Map<string, string>();
  for (const [index, ref] of listed.entries()) {
    const text = new TextDecoder().decode(contents[index]).trim();
    if (isChecksum(text)) inFiles.set(ref, text);
  }
  const inSummary = summary && readable(summary);
  const remove = summary && !inSummary ? ['repo/summary', ...(signature ? ['repo/summary.sig'] : [])] : [];
  const configDamaged = config !== undefined && !MODES.includes(modeOf(config));
  if (configDamaged) remove.push('repo/config');
  const commits = new Map<string, string>();
  const flips: { ref: string; commit: string; why: string }[] = [];
  const unrepairable: Unrepairable[] = [];
  const all = [...new Set([...listed, ...(inSummary?.keys() ?? []), ...remembered.keys()])];
  const isAlias = (ref: string): boolean => refBehind(ref, links) !== ref;
  for (const ref of all.filter((one) => !isAlias(one))) {
    const [file, entry] = [inFiles.get(ref), inSummary?.get(ref)];
    const commit = file === entry && file !== undefined ? file : await chosen(repo, file, entry, remembered.get(ref));
    if (commit !== undefined) commits.set(ref, commit);
    if (commit !== undefined && file === commit && entry === commit) continue;
    const why =
      file === undefined
        ? 'its file is not there'
        : entry === undefined
          ? 'the summary does not list it'
          : `the summary names ${entry.slice(0, 12)}, its file ${file.slice(0, 12)}`;
    if (commit !== undefined && (await localObjects(repo)(commit, 'commit'))) flips.push({ ref, commit, why });
    else if (file !== undefined || entry !== undefined || listed.includes(ref)) {
      const hint = 'Publish the next build of it, or repair from the machine that publishes it.';
      unrepairable.push({ what: `ref ${ref}`, why: `${why}, and the commit is not in ${repo}`, hint });
    }
  }
  for (const ref of all.filter(isAlias)) {
    const behind = refBehind(ref, links);
    const commit = behind === undefined ? undefined : commits.get(behind);
    const entry = inSummary?.get(ref);
    if (behind === undefined || commit === undefined) {
      const hint = `Put back what it leads to, or remove the link below ${HEADS_FOLDER} there.`;
      unrepairable.push({ what: `ref ${ref}`, why: 'it is a symbolic link that leads to no ref', hint });
      continue;
    }
    commits.set(ref, commit);
    // The link itself is never written over: its summary entry follows when the ref behind it is set.
    if (entry === undefined || entry === commit || flips.some((flip) => flip.ref === behind)) continue;
    const why = `the summary names ${entry.slice(0, 12)} for its alias ${ref}`;
    if (await localObjects(repo)(commit, 'commit')) flips.push({ ref: behind, commit, why });
  }
  const whole = config && !configDamaged && summary;
  const bad = whole && signed && inSummary && (!signature || (isSigned && !(await isSigned(summary, signature))));
  const reason =
    !config || configDamaged ? 'the configuration is not there' : bad ? 'the summary has no good signature' : undefined;
  if (reason !== undefined && flips.length === 0) {
    for (const [ref, commit] of commits) {
      if (isAlias(ref) || !(await localObjects(repo)(commit, 'commit'))) continue;
      flips.push({ ref, commit, why: reason });
      break;
    }
  }
  return { commits, flips, remove, unrepairable };
}

/** Returns what the pointer beside a tested ref says of it; one that is damaged says nothing. */
function testedRefs(content: Uint8Array): [string, string][] {
  // An outsider's check reports one that is damaged; for a ref there are other sources.
  const { arches = {} } = readRecordIfGood(content, TESTED_POINTER) ?? {};
  return Object.values(arches).map(({ ref, commit }) => [ref, commit]);
}

function readable(summary: Uint8Array): Map<string, string> | undefined {
  try {
    return summaryRefs(summary);
  } catch {
    return undefined;
  }
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
