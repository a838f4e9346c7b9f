import { constants, existsSync } from 'node:fs';

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { makeFolder } from '../base/files.ts';
import { removeStaleFolders } from '../base/temporary.ts';
import type { LocalRepo } from '../ostree/local-repo.ts';
import { mayAccess } from '../programs/find-program.ts';
import type { UrlOptions } from '../targets/target-url.ts';
import { usageError } from './define.ts';

/** What the command line says of how to get there. */
export interface FarOptions {
  readonly identity: string | undefined;
  readonly knownHosts: string | undefined;
  readonly url: string | undefined;
}

/** Returns what the addresses of far sides leave open. @throws NightlyError `usage` for a file that is not there. */
export function urlOptions({ identity, knownHosts, url }: FarOptions): UrlOptions {
  const { AWS_REGION: region, AWS_ENDPOINT_URL: endpoint } = process.env;
  // ssh itself goes on without them, and then says that the account or the host key is wrong.
  refuseMissing('--identity', identity);
  refuseMissing('--known-hosts', knownHosts);
  return {
    url: url?.replace(/\/+$/, '').replace(/\/repo$/, '') ?? '',
    ssh: {
      ...(identity === undefined ? {} : { identityFile: resolve(identity) }),
      ...(knownHosts === undefined ? {} : { knownHostsFile: resolve(knownHosts) }),
    },
    region,
    endpoint,
  };
}

function refuseMissing(option: string, path: string | undefined): void {
  if (path !== undefined && !existsSync(path)) throw usageError('push', `${option}: there is no file ${path}.`);
}

/**
 * Returns a folder for what a push has under way: in the repository's own folder for such files, which ostree tidies up, so
 * that objects become links; elsewhere when the repository may only be read. What pushes that were killed left goes.
 */
export async function pushFolder({ path }: LocalRepo): Promise<string> {
  const mayWrite = await mayAccess(path, constants.W_OK);
  const folder = join(mayWrite ? join(path, 'tmp') : join(homedir(), '.cache'), 'atomic-nightly-push');
  await makeFolder(folder, 0o700);
  removeStaleFolders(folder);
  return folder;
}
