import { constants } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { removeStaleFolders } from '../base/temporary.ts';
import { loadConfig } from '../config/load.ts';
import type { LocalRepo } from '../ostree/local-repo.ts';
import { mayAccess } from '../programs/find-program.ts';
import { targetSigner } from '../run/project.ts';
import { targetsNamed } from '../run/streams-on.ts';
import type { Signer } from '../signing/signer.ts';
import { openTarget } from '../targets/open-target.ts';
import type { Target } from '../targets/target.ts';
import { isTargetUrl, targetOfUrl, type UrlOptions } from '../targets/target-url.ts';

/** Where a push goes, and who signs the summary there. */
export interface FarSide {
  readonly target: Target;
  readonly signer?: Signer;
}

/** What the command line says of how to get there. */
export interface FarOptions {
  readonly identity: string | undefined;
  readonly knownHosts: string | undefined;
  readonly url: string | undefined;
}

/**
 * Opens the target of that name in the configuration, or the one that an address leads to; an address needs no configuration.
 * @throws NightlyError `usage`, `config`.
 */
export async function openFarSide(to: string, options: FarOptions, configPath: string): Promise<FarSide> {
  if (isTargetUrl(to)) return { target: openTarget(targetOfUrl(to, urlOptions(options))) };
  const config = await loadConfig(configPath).catch((error: unknown) => {
    if (!(error instanceof NightlyError) || error.code !== 'config') throw error;
    throw new NightlyError('config', `"${to}" is to be a target of the configuration. ${error.message}`, {
      hint: `A folder is written ./${to}; an account on another machine user@host:/path.`,
      cause: error,
    });
  });
  const [target] = targetsNamed(config, to);
  if (target === undefined) throw new NightlyError('bug', `The target "${to}" was found and is not there.`);
  const signer = targetSigner(config, to);
  return { target: openTarget(target), ...(signer && { signer }) };
}

/** Returns what the addresses of far sides leave open. */
export function urlOptions({ identity, knownHosts, url }: FarOptions): UrlOptions {
  const { AWS_REGION: region, AWS_ENDPOINT_URL: endpoint } = process.env;
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

/**
 * Returns a folder for what a push has under way: in the repository's own folder for such files, which ostree tidies up, so
 * that objects become links; elsewhere when the repository may only be read. What pushes that were killed left goes.
 */
export async function pushFolder({ path }: LocalRepo): Promise<string> {
  const mayWrite = await mayAccess(path, constants.W_OK);
  const folder = join(mayWrite ? join(path, 'tmp') : join(homedir(), '.cache'), 'atomic-nightly-push');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  removeStaleFolders(folder);
  return folder;
}
