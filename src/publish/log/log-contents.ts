import { TILE_WIDTH } from '../../log/tile-math.ts';
import type { TileTree } from '../../log/tile-tree.ts';
import { parseEntry } from '../../published/log-entry.ts';
import { type VouchedFile, vouchedFiles } from '../../published/log-subjects.ts';
import { buildFolder } from '../../published/paths.ts';

/** What a log says that a target may have. */
export interface LogContents {
  /** Commits that each ref has been allowed to name. */
  readonly refs: ReadonlyMap<string, ReadonlySet<string>>;
  /** Files by path, relative to the target's root, as the last entry that names them has them. */
  readonly files: ReadonlyMap<string, VouchedFile>;
  /** Paths, and folders that end in a slash, that need not be there any more. */
  readonly gone: ReadonlySet<string>;
  /** Commits that retention has given up. */
  readonly prunedCommits: ReadonlySet<string>;
}

/** Reads all entries of a log in their order. @throws NightlyError `log` */
export async function contentsOf(tree: TileTree): Promise<LogContents> {
  const refs = new Map<string, Set<string>>();
  const files = new Map<string, VouchedFile>();
  const [gone, prunedCommits] = [new Set<string>(), new Set<string>()];
  for (let bundle = 0; bundle * TILE_WIDTH < tree.size; bundle += 1) {
    for (const [offset, bytes] of (await tree.bundle(bundle)).entries()) {
      const entry = parseEntry(bytes, { file: `log, entry ${bundle * TILE_WIDTH + offset}` });
      if (entry === undefined) continue;
      for (const file of vouchedFiles(entry)) {
        files.set(file.path, file);
        gone.delete(file.path);
      }
      if (entry.kind === 'ref') refs.set(entry.ref, (refs.get(entry.ref) ?? new Set()).add(entry.commit));
      if (entry.kind === 'build-changed')
        for (const path of entry.gone) gone.add(`${buildFolder(entry.id, entry.arch)}/${path}`);
      if (entry.kind === 'prune') {
        for (const commit of entry.commits) prunedCommits.add(commit);
        for (const { id, arch, gone: parts } of entry.builds)
          for (const part of parts) gone.add(`${buildFolder(id, arch)}/${part}/`);
      }
    }
  }
  return { refs, files, gone, prunedCommits };
}
