import { makeFolder } from '../base/files.ts';
import { loadConfig } from '../config/load.ts';
import { localControl } from '../service/control.ts';
import { servedTargets } from '../service/files/target-servers.ts';
import { startService } from '../service/service.ts';
import { takeServiceLock } from '../service/service-lock.ts';
import type { ServiceLog } from '../service/service-log.ts';
import { type Listening, startListening } from '../service/start-listening.ts';

/**
 * Serves a demo while it runs, as "serve" does afterwards: what is published, and live pages with the build that is under way.
 * @param path of the configuration
 * @throws NightlyError `locked` when a service has the work folder, `usage` when an address is taken.
 */
export async function serveDemo(path: string, log: ServiceLog): Promise<Listening> {
  const config = await loadConfig(path);
  for (const target of servedTargets(config)) await makeFolder(target.path);
  const free = await takeServiceLock(config.work);
  try {
    const service = await startService(config, log);
    const listening = await startListening(config, localControl(config, service), log).catch(async (error: unknown) => {
      await service.drain();
      throw error;
    });
    return {
      url: listening.url,
      async stop() {
        await service.drain();
        await listening.stop();
        await free();
      },
    };
  } catch (error) {
    await free();
    throw error;
  }
}
