/** Where the public key of a stream lies on a target: in binary, as `ostree remote add --gpg-import` and gpg both take it. */
export function keyPath(stream: string): string {
  return `get/${stream}.gpg`;
}

/** Where the page of a build lies on a target. */
export function buildPagePath(id: string, arch: string): string {
  return `builds/${id}/${arch}/index.html`;
}
