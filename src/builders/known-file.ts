/** What may be at a path of a machine: one of several packages', or a commit's. */
export interface KnownFile {
  /** Kind and permissions, as stat(2) has them. */
  readonly mode: number;
  readonly byRoot: boolean;
  /** SHA-256 of the content; undefined for folders, links, and files whose content is the machine's own (%config, %ghost). */
  readonly digest?: string | undefined;
  readonly link?: string | undefined;
  /** Whether the machine's operator may change it. */
  readonly config: boolean;
}

/** What may be on a machine, by path. */
export type KnownGood = ReadonlyMap<string, readonly KnownFile[]>;

const KIND = 0o170000;
const FOLDER = 0o040000;
const LINK = 0o120000;

/** Whether a mode is that of a folder. */
export const isFolderMode = (mode: number): boolean => (mode & KIND) === FOLDER;
/** Whether a mode is that of a symbolic link. */
export const isLinkMode = (mode: number): boolean => (mode & KIND) === LINK;

/**
 * Puts what several sources know together, with paths as the machine has them: where packages say /bin/sh and /bin is a link to
 * usr/bin, it is /usr/bin/sh.
 */
export function joinKnown(entries: Iterable<readonly [path: string, file: KnownFile]>): KnownGood {
  const all = [...entries];
  const tops = new Map(
    all.flatMap(([path, { link }]) => (link !== undefined && /^\/[^/]+$/.test(path) ? [[path, link] as const] : [])),
  );
  const found = new Map<string, KnownFile[]>();
  for (const [path, file] of all) {
    const [, top = '', rest = ''] = /^(\/[^/]+)(\/.*)$/.exec(path) ?? [];
    const link = tops.get(top);
    const settled = link === undefined ? path : `/${link.replace(/^\//, '')}${rest}`;
    const before = found.get(settled);
    if (before) before.push(file);
    else found.set(settled, [file]);
  }
  return found;
}
