/** Where the public key of a stream lies on a target. */
export function keyPath(stream: string): string {
  return `get/${stream}.asc`;
}
