import { makeFolder } from '../base/files.ts';
import type { Config } from '../config/config.ts';
import { servedTargets } from '../config/served-targets.ts';
import { type Service, startService } from './service.ts';
import { takeServiceLock } from './service-lock.ts';
import type { ServiceLog } from './service-log.ts';

/** The scheduler of a work folder that no other service has. */
export interface OpenService {
  readonly service: Service;
  /** Drains the scheduler, then frees the work folder. */
  close(): Promise<void>;
}

/**
 * Takes a work folder for a service and starts its scheduler.
 * @throws NightlyError `locked` when another service has the work folder.
 */
export async function openService(config: Config, log: ServiceLog): Promise<OpenService> {
  // The listening process is given the folders themselves, and would not see one that is made later.
  for (const target of servedTargets(config)) await makeFolder(target.path);
  const free = await takeServiceLock(config.work);
  const service = await startService(config, log).catch(async (error: unknown) => {
    await free();
    throw error;
  });
  return {
    service,
    async close() {
      await service.drain();
      await free();
    },
  };
}
