import { join } from 'node:path';
import { run } from '../../src/tools/exec.ts';
import type { World } from './world.ts';

/** A client that trusts one key and believes nothing that it did not sign, neither commit nor summary. @returns the commit. */
export async function strictPull(
  world: World,
  name: string,
  publicKeyFile: string,
  ...args: readonly string[]
): Promise<string> {
  const repo = join(world.dir, name);
  const ostree = (...rest: string[]) => run('ostree', [`--repo=${repo}`, ...rest]);
  await ostree('init', '--mode=bare-user');
  const trust = [`--gpg-import=${publicKeyFile}`, '--set=gpg-verify-summary=true'];
  await ostree('remote', 'add', ...trust, 'origin', `${world.url}/repo`);
  await ostree('pull', ...args, 'origin', 'mini/x86_64/nightly');
  await ostree('fsck', '--quiet');
  return (await ostree('rev-parse', 'origin:mini/x86_64/nightly')).stdout.trim();
}
