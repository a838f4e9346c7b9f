/** Returns where the page of a build lies on a target. */
export function buildPagePath(id: string, arch: string): string {
  return `builds/${id}/${arch}/index.html`;
}
