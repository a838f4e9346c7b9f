import { buildFolder } from '../../published/paths.ts';
/** Returns where the page of a build lies on a target. */
export function buildPagePath(id: string, arch: string): string {
  return `${buildFolder(id, arch)}/index.html`;
}
