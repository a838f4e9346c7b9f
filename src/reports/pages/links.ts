import { visibleText } from './page-text.ts';

/** Where a page finds the others. All of it is relative, so that pages work below any path. */
export interface Links {
  /** Whether a program answers, rather than files being served. */
  readonly live: boolean;
  /** The way from the page to the top, as in `../../`; `./` at the top. */
  readonly root: string;
  readonly index: string;
  readonly get: string;
  readonly search: string;
  readonly feed: string;
  build(id: string, arch: string): string;
  /** A file of a build, by its path in the build's folder; only of those that are published. */
  file(id: string, arch: string, path: string): string;
  log(id: string, arch: string, step: string): string;
  stream(name: string): string;
  compare(from: string, to: string): string;
}

/**
 * Returns the links of a page.
 * @param depth how many folders it is below the top
 * @param live false for files: their links name index.html, for object stores know no folders
 */
export function createLinks(depth: number, live: boolean): Links {
  const root = depth === 0 ? './' : '../'.repeat(depth);
  const page = live ? '' : 'index.html';
  const folder = (id: string, arch: string) => `${root}builds/${encodeName(id)}/${encodeName(arch)}/`;
  const file = (id: string, arch: string, path: string) => folder(id, arch) + encodePath(path);
  return {
    live,
    root,
    index: root + page,
    get: `${root}get/${page}`,
    search: `${root}search/${page}`,
    feed: `${root}feed.atom`,
    build: (id, arch) => folder(id, arch) + page,
    file,
    log: (id, arch, step) =>
      live ? `${root}builds/${encodeName(id)}/log/${encodeName(step)}` : file(id, arch, `logs/${step}.log`),
    stream: (name) => `${root}streams/${encodeName(name)}/`,
    compare: (from, to) => `${root}compare/${encodeName(from)}/${encodeName(to)}`,
  };
}

/** A name as one part of a path. Half a surrogate pair, which has no encoding, is replaced like all that cannot be seen. */
export const encodeName = (name: string): string => encodeURIComponent(visibleText(name));

/** Returns a path with each of its parts encoded; parts that lead upwards are gone. */
export function encodePath(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.' && part !== '..')
    .map(encodeName)
    .join('/');
}
