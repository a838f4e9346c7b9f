import type { Config } from '../../config/config.ts';
import { servedAt } from '../../config/serve-target.ts';
import { servedTargets } from '../../config/served-targets.ts';
import type { ConnectionLimits } from '../http/connections.ts';
import { type HttpServer, serveHttp } from '../http/http-server.ts';
import type { ServiceLog } from '../service-log.ts';
import { filesApp } from './files-app.ts';

/** A client of ostree has eight connections; behind another web server all clients have one address. */
const LIMITS: ConnectionLimits = { total: 1024, each: 512, unread: 64 * 1024 * 1024 };

/** How long answers that are under way may take to their end when a server stops. */
const GRACE_MS = 10_000;

/** The web servers of targets. */
export interface TargetServers {
  /** Takes no more requests; downloads that are under way have ten seconds. */
  stop(): Promise<void>;
}

/**
 * Starts a web server for each target with `serve`, at the path of its url.
 * @throws NightlyError `usage` when an address is taken or not this machine's.
 */
export async function startTargetServers(config: Pick<Config, 'targets'>, log: ServiceLog): Promise<TargetServers> {
  const servers: HttpServer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop(GRACE_MS)));
  };
  try {
    for (const target of servedTargets(config)) {
      const address = servedAt(target);
      if (address === undefined) continue;
      const { pathname } = new URL(target.url);
      const app = filesApp(target.path, pathname === '/' ? '' : pathname, log);
      const server = await serveHttp(app, address, `targets.${target.name}.serve`, LIMITS);
      servers.push(server);
      log(`serving ${target.path} (target ${target.name}) on ${server.url}${pathname}`, { target: target.name });
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}
