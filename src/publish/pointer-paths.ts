import { boxesPath, latestPath, releasesPath, streamMetadataPath, testedPath } from '../published/paths.ts';
/**
 * Returns where the public key of a stream lies on a target: in binary, as `ostree remote add --gpg-import` and gpg
 * both take it.
 */
export function keyPath(stream: string): string {
  return `get/${stream}.gpg`;
}

/**
 * Returns the JSON files that lead readers to builds of a stream, relative to a target's root. A target has those that
 * something was written to: the tested pointer after a smoke test, the last two after a release.
 */
export function pointerPaths({ name, vagrantBox }: { readonly name: string; readonly vagrantBox: string }): string[] {
  return [streamMetadataPath(name), testedPath(name), boxesPath(vagrantBox), latestPath(name), releasesPath(name)];
}
