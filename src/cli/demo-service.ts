import { loadConfig } from '../config/load.ts';
import { localControl } from '../service/control.ts';
import { openService } from '../service/open-service.ts';
import type { ServiceLog } from '../service/service-log.ts';
import { type Listening, startListening } from '../service/start-listening.ts';

/**
 * Serves a demo while it runs, as "serve" does afterwards: what is published, and live pages with the build that is under way.
 * @param path of the configuration
 * @throws NightlyError `locked` when a service has the work folder, `usage` when an address is taken.
 */
export async function serveDemo(path: string, log: ServiceLog): Promise<Listening> {
  const config = await loadConfig(path);
  const { service, close } = await openService(config, log);
  const listening = await startListening(config, localControl(config, service), log).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    url: listening.url,
    async stop() {
      await service.drain();
      await listening.stop();
      await close();
    },
  };
}
