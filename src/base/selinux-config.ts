import { join } from 'node:path';
import { readTextIfExists } from './files.ts';

/**
 * Returns the name of the policy that hosts load, `targeted`: SELINUXTYPE in `selinux/config` below a tree's /etc, as
 * libselinux reads it (selinux_config(5)). Undefined when no policy is named.
 */
export async function policyName(etc: string): Promise<string | undefined> {
  const config = await readTextIfExists(join(etc, 'selinux/config'));
  return /^\s*SELINUXTYPE\s*=\s*([\w.-]+)\s*$/m.exec(config ?? '')?.[1];
}
