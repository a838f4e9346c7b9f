import { run } from './exec.ts';

/** A user of this machine, by number. */
export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Finds a user wherever the machine's name services have it; undefined when there is none. */
export async function findUser(name: string): Promise<SystemUser | undefined> {
  const [uid, gid] = [await numberOf('--user', name), await numberOf('--group', name)];
  return uid === undefined || gid === undefined ? undefined : { name, uid, gid };
}

async function numberOf(which: '--user' | '--group', name: string): Promise<number | undefined> {
  const { exitCode, stdout } = await run('id', [which, '--', name], { okExitCodes: [0, 1] });
  return exitCode === 0 ? Number(stdout.trim()) : undefined;
}
