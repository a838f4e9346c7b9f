import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { isChecksum } from '../ostree/objects.ts';
import type { Links, Target } from '../targets/target.ts';
import { HEADS_FOLDER, refuseAlias } from './alias-refs.ts';
import { EPOCH_PATH } from './epoch.ts';

type Content = Uint8Array | undefined;

/** The small files of a target that tell what it publishes, as they were read; undefined where there is none. */
export interface Heads {
  readonly ref: Content;
  readonly summary: Content;
  readonly config: Content;
  readonly signature: Content;
  readonly epoch: Content;
  /** The symbolic links among its refs. */
  readonly links: Links;
}

/** Their paths on the target. */
export function headPaths(ref: string): Readonly<Record<Exclude<keyof Heads, 'links'>, string>> {
  return {
    ref: `${HEADS_FOLDER}/${ref}`,
    summary: 'repo/summary',
    config: 'repo/config',
    signature: 'repo/summary.sig',
    epoch: EPOCH_PATH,
  };
}

/** Reads them in one go. @throws NightlyError `target-unreachable`, `target-permission`, `target-host-key`. */
export async function readHeads(target: Target, ref: string, task: Task): Promise<Heads> {
  const paths = headPaths(ref);
  const order = [paths.ref, paths.summary, paths.config, paths.signature, paths.epoch];
  const { contents, links } = await target.readWithLinks(order, HEADS_FOLDER, task);
  const [at, summary, config, signature, epoch] = contents;
  return { ref: at, summary, config, signature, epoch, links };
}

/**
 * Returns the commit that a ref of a target names; undefined when it has none. For whoever is about to move it.
 * @throws NightlyError `unsupported` when it is an alias of another ref.
 */
export async function readTargetRef(target: Target, ref: string, task: Task): Promise<string | undefined> {
  const { contents, links } = await target.readWithLinks([headPaths(ref).ref], HEADS_FOLDER, task);
  refuseAlias(ref, links, target);
  return commitIn(contents[0], ref, target);
}

/**
 * Returns the commit in the file of a ref; undefined for no file.
 * @throws NightlyError `unsupported` when the file is empty or holds something else.
 */
export function commitIn(content: Content, ref: string, target: Target): string | undefined {
  const text = content && new TextDecoder().decode(content).trim();
  if (text === undefined || isChecksum(text)) return text;
  const what = text === '' ? 'is empty' : 'does not hold a commit';
  throw new NightlyError('unsupported', `${headPaths(ref).ref} on target "${target.name}" ${what}.`, {
    hint: 'Run "atomic-nightly publish --reconcile" on the machine that publishes there: it puts the ref back.',
  });
}
