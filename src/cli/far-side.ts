import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { loadConfig } from '../config/load.ts';
import { type LogGate, NO_LOG } from '../publish/log/logged.ts';
import { openLogGate } from '../publish/log/release-log.ts';
import type { RecordTrust } from '../published/record-trust.ts';
import { targetSigner } from '../run/project.ts';
import { targetsNamed } from '../run/streams-on.ts';
import type { Signer } from '../signing/signer.ts';
import { targetSigning } from '../steps/deliver/record-signing.ts';
import { openTarget } from '../targets/open-target.ts';
import type { Target } from '../targets/target.ts';
import { isTargetUrl, type SshPlace, sshPlace, targetOfUrl } from '../targets/target-url.ts';
import { type FarOptions, urlOptions } from './push-places.ts';

/** Where a push goes, and who signs the summary there. */
export interface FarSide {
  readonly target: Target;
  readonly signing?: (task: Task) => { readonly signer: Signer; readonly trust: RecordTrust };
  /** Asked before a ref is moved. */
  readonly log: LogGate;
  /** The account of a target of type ssh, which may take pushes and nothing else. */
  readonly place?: SshPlace | undefined;
}

/**
 * Opens the target of that name in the configuration, or the one that an address leads to; an address needs no configuration.
 * @throws NightlyError `usage`, `config`.
 */
export async function openFarSide(to: string, options: FarOptions, configPath: string): Promise<FarSide> {
  if (isTargetUrl(to)) return { target: openTarget(targetOfUrl(to, urlOptions(options))), log: NO_LOG };
  const config = await loadConfig(configPath).catch((error: unknown) => {
    if (!(error instanceof NightlyError) || error.code !== 'config') throw error;
    throw new NightlyError('config', `"${to}" must be a target of the configuration. ${error.message}`, {
      hint: `A folder is written ./${to}; an account on another machine user@host:/path.`,
      cause: error,
    });
  });
  const [target] = targetsNamed(config, to);
  if (target === undefined) throw new NightlyError('bug', `The target "${to}" was found and is not there.`);
  const signer = targetSigner(config, to);
  const place = target.type === 'ssh' ? sshPlace(target.destination, target.ssh) : undefined;
  const opened = { target: openTarget(target), place, log: await openLogGate(config) };
  return signer ? { ...opened, signing: (task) => targetSigning({ config, signer }, to, task) } : opened;
}
