import type { Task } from '../base/task.ts';
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
  return contents[0] && new TextDecoder().decode(contents[0]).trim();
}
