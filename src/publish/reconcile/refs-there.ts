import { readRecordIfGood } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { keyfileGroup } from '../../ostree/keyfile.ts';
import { isChecksum, readRef } from '../../ostree/objects.ts';
import { signatureName } from '../../published/paths.ts';
import type { RecordTrust } from '../../published/record-trust.ts';
import { TESTED_POINTER, testedPath } from '../../published/stream-files.ts';
import type { Links, Target } from '../../targets/target.ts';
import { HEADS_FOLDER } from '../alias-refs.ts';
import { summaryRefs } from '../summary.ts';

export interface RefsQuestion {
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
}

/** All that says which commit a ref names. */
export interface RefsThere {
  readonly config: 'good' | 'damaged' | 'missing';
  readonly summary: Uint8Array | undefined;
  /** The signature of the summary. */
  readonly signature: Uint8Array | undefined;
  /** The commit in the file of each ref. */
  readonly inFiles: ReadonlyMap<string, string>;
  /** The commit that the summary names for each ref; undefined: there is no summary that can be read. */
  readonly inSummary: ReadonlyMap<string, string> | undefined;
  /** What pointers, the local repository and `heads` say, the later of them first. */
  readonly remembered: ReadonlyMap<string, string>;
  /** Refs that are symbolic links. */
  readonly links: Links;
}

const PATHS = ['repo/config', 'repo/summary', 'repo/summary.sig'] as const;

/** Reads the refs of a target and what else says which commits they name, in one round trip. */
export async function readRefsThere(question: RefsQuestion, task: Task): Promise<RefsThere> {
  const { target, listed, streams } = question;
  const pointers = streams.map((name) => testedPath(name));
  const refPaths = listed.map((ref) => `${HEADS_FOLDER}/${ref}`);
  const { contents: read, links } = await target.readWithLinks(
    [...PATHS, ...pointers, ...pointers.map(signatureName), ...refPaths],
    HEADS_FOLDER,
    task,
  );
  const [config, summary, signature] = read;
  const [signatures, files] = [PATHS.length + pointers.length, PATHS.length + 2 * pointers.length];
  const tested = await testedCommits(
    pointers.map((path, index) => ({ path, content: read[PATHS.length + index], signed: read[signatures + index] })),
    question.trust,
  );
  return {
    config: config === undefined ? 'missing' : MODES.includes(modeOf(config)) ? 'good' : 'damaged',
    summary,
    signature,
    inFiles: commitsInFiles(listed, read.slice(files)),
    inSummary: summary && readable(summary),
    remembered: new Map([...tested, ...(await localCommits(question)), ...(question.heads ?? [])]),
    links,
  };
}

/** One of ostree's; a configuration without is cut short. */
const MODES = ['archive', 'archive-z2', 'bare', 'bare-user', 'bare-user-only', 'bare-split-xattrs'];

const modeOf = (config: Uint8Array): string => keyfileGroup(new TextDecoder().decode(config), 'core').get('mode') ?? '';

/** Returns what the pointers beside tested refs say of them. */
async function testedCommits(
  pointers: readonly {
    readonly path: string;
    readonly content: Uint8Array | undefined;
    readonly signed: Uint8Array | undefined;
  }[],
  trust: RecordTrust | undefined,
): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for (const { path, content, signed } of pointers) {
    if (!content || (trust && !(await trust.believes(path, content, signed)))) continue;
    // An outsider's check reports one that is damaged; for a ref there are other sources.
    const { arches = {} } = readRecordIfGood(content, TESTED_POINTER) ?? {};
    found.push(...Object.values(arches).map(({ ref, commit }): [string, string] => [ref, commit]));
  }
  return found;
}

async function localCommits({ repo, refs }: RefsQuestion): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for (const ref of refs) {
    const commit = await readRef(repo, ref);
    if (commit !== undefined) found.push([ref, commit]);
  }
  return found;
}

function commitsInFiles(
  refs: readonly string[],
  contents: readonly (Uint8Array | undefined)[],
): ReadonlyMap<string, string> {
  return new Map(
    refs.flatMap((ref, index) => {
      const text = new TextDecoder().decode(contents[index]).trim();
      return isChecksum(text) ? [[ref, text] as const] : [];
    }),
  );
}

function readable(summary: Uint8Array): Map<string, string> | undefined {
  try {
    return summaryRefs(summary);
  } catch {
    return undefined;
  }
}
