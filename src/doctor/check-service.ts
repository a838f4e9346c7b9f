import { NightlyError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { LISTENER_USERS, listenerUser, makeUser, SAME_PROCESS } from '../run/listener-user.ts';
import type { CheckResult } from './doctor-check.ts';

/** Whether "serve" as root gives its listening part to somebody else. Nothing where it needs no user: without root. */
export async function checkListener({ service }: Config): Promise<CheckResult[]> {
  const name = 'user who listens';
  if (process.getuid?.() !== 0) return [];
  if (service.user === SAME_PROCESS) {
    const detail = `root listens on ${service.listen.host}:${service.listen.port}; leave "service.user" out, and it has no rights`;
    return [{ name, state: 'note', detail }];
  }
  try {
    const user = await listenerUser(service.user);
    const [own] = LISTENER_USERS;
    if (service.user !== undefined || user?.name === own) return [{ name, state: 'ok', detail: user?.name ?? '' }];
    return [{ name, state: 'note', detail: `${user?.name}, which others may use too; better: ${makeUser(own)}` }];
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    return [{ name, state: 'missing', detail: `${error.message} ${error.hint ?? ''}` }];
  }
}
