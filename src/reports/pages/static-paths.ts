import { buildFolder } from '../../published/paths.ts';

/** Returns where the page of a build lies on a target. */
export function buildPagePath(id: string, arch: string): string {
  return `${buildFolder(id, arch)}/index.html`;
}

/** Name of the review of a candidate, beside the page of the build. */
export const REVIEW_PAGE = 'review.html';

/** Returns where the review of a candidate lies on a target. */
export function reviewPagePath(id: string, arch: string): string {
  return `${buildFolder(id, arch)}/${REVIEW_PAGE}`;
}

/** Where the search of published pages is. */
export const SEARCH_PAGE = 'search/index.html';
