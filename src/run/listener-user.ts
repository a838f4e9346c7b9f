import { NightlyError } from '../base/errors.ts';
import { findUser, type SystemUser } from '../programs/users.ts';

/** Whom the listening part belongs to where the configuration names nobody; the second is on every machine. */
export const LISTENER_USERS = ['atomic-nightly', 'nobody'] as const;

/** `service.user` of those who want everything in one process. */
export const SAME_PROCESS = 'root';

/**
 * Returns the user that HTTP and MQTT run as when the service is started by root (I15).
 * @param name `service.user` of the configuration
 * @returns undefined when there is nothing to take away: this is not root, or the configuration asks for root
 * @throws NightlyError `config` when there is no such user, or it is root by another name.
 */
export async function listenerUser(name: string | undefined): Promise<SystemUser | undefined> {
  if (process.getuid?.() !== 0 || name === SAME_PROCESS) return undefined;
  const wanted = name === undefined ? LISTENER_USERS : [name];
  for (const one of wanted) {
    const user = await findUser(one);
    if (user?.uid === 0) {
      throw new NightlyError('config', `User "${one}" of "service.user" is root (number 0).`, {
        hint: `Name a user without rights, or say "user: ${SAME_PROCESS}" if the service is to listen as root.`,
      });
    }
    if (user) return user;
  }
  const missing = wanted[0] ?? '';
  throw new NightlyError('config', `There is no user "${missing}", as which the service is to listen.`, {
    hint: `Run "${makeUser(missing)}", or name another in "service.user".`,
  });
}

/** Returns the command that makes a user for it. */
export const makeUser = (name: string): string => `useradd --system --no-create-home --shell /usr/sbin/nologin ${name}`;
