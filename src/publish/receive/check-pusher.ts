import { constants } from 'node:fs';
import { dirname, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { readTextIfExists } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { PusherConfig } from '../../config/receive.ts';
import { keyfileGroup } from '../../ostree/keyfile.ts';
import { findProgram, mayAccess } from '../../programs/find-program.ts';
import { jointSigner, openSigner } from '../../signing/open-signer.ts';
import { readVerifyKeys } from '../../signing/verify-keys.ts';
import { openTarget } from '../../targets/open-target.ts';

/** Looks at everything that the configuration of a pusher names, as the account that runs this. @returns what is wrong */
export async function checkPusher(pusher: PusherConfig, task: Task): Promise<NightlyError[]> {
  const { root, verifyKeys, sign, hook, log } = pusher;
  const faults: NightlyError[] = [];
  const look = async (work: () => Promise<void>): Promise<void> => {
    await work().catch((error: unknown) => {
      if (!(error instanceof NightlyError)) throw error;
      faults.push(error);
    });
  };
  for (const path of Object.values(root)) await look(() => checkRoot(path, task));
  await look(async () => void (await readVerifyKeys(verifyKeys)));
  if (sign) await look(() => jointSigner(sign.map(openSigner)).check(task));
  if (hook) await look(() => checkHook(hook[0]));
  if (log !== undefined) await look(() => checkLog(log));
  for (const program of ['ostree', 'flock', 'gpgv']) await look(() => checkProgram(program));
  return faults;
}

async function checkRoot(path: string, task: Task): Promise<void> {
  await openTarget({ type: 'directory', name: 'repository', path, url: '' }).check(task);
  const config = await readTextIfExists(join(path, 'repo/config'));
  const mode = config === undefined ? 'archive' : (keyfileGroup(config, 'core').get('mode') ?? 'bare');
  if (mode === 'archive' || mode === 'archive-z2') return;
  throw new NightlyError('config', `${path}/repo is in mode ${mode}: only an archive repository can be served.`, {
    hint: 'Make a new one: "ostree init --mode=archive".',
  });
}

async function checkHook(program: string): Promise<void> {
  if (await findProgram(program)) return;
  throw new NightlyError('config', `The hook ${program} is not there, or cannot be run.`, {
    hint: 'Correct its path, or make it executable.',
  });
}

async function checkLog(file: string): Promise<void> {
  for (const path of [file, dirname(file)]) if (await mayAccess(path, constants.W_OK)) return;
  throw new NightlyError('config', `The log ${file} cannot be written.`, {
    hint: 'Give the account that file or its folder.',
  });
}

async function checkProgram(program: string): Promise<void> {
  if (await findProgram(program)) return;
  throw new NightlyError('tool-missing', `The program ${program} is not there.`, {
    hint: 'Install it: "atomic-nightly doctor" names the package.',
  });
}
