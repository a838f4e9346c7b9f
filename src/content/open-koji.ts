import type { Connection } from '../base/connection.ts';
import { definedOnly } from '../base/defined-only.ts';
import type { Task } from '../base/task.ts';
import type { KojiConfig } from '../config/config.ts';
import type { Hub } from '../koji/hub.ts';
import { openHub } from '../koji/open-hub.ts';
import type { HubPatience } from '../koji/post-call.ts';
import { kerberosLogin } from './kerberos-login.ts';

/** Opens the hub that the configuration names; it is closed by the caller. */
export function openKoji(koji: KojiConfig, task: Task, patience?: HubPatience): Hub {
  const { server, keytab } = koji;
  const login = keytab === undefined ? undefined : kerberosLogin(keytab);
  return openHub({ server, connection: kojiConnection(koji), ...definedOnly({ login, patience }) }, task);
}

/** Returns how the hub and its files are reached. */
export function kojiConnection({ certFile, keyFile, caFile, proxy }: KojiConfig): Connection {
  return definedOnly({ certFile, keyFile, caFile, proxy });
}
