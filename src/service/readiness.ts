import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asNightlyError } from '../base/as-nightly-error.ts';
import { writeFileAtomic } from '../base/files.ts';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import type { Service } from './service.ts';
import { serviceFolder } from './service-state.ts';

/** Returns what keeps the service from doing its work, a sentence each; none: it is ready. */
export async function unreadiness(config: Config, service: Service): Promise<string[]> {
  const problems: string[] = [];
  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      problems.push(asNightlyError(error).message);
    }
  };
  await attempt(() => loadConfig(config.path));
  await attempt(async () => {
    const probe = join(serviceFolder(config.work), 'probe');
    await writeFileAtomic(probe, '');
    await rm(probe, { force: true });
  });
  if (service.draining()) problems.push('The service is stopping.');
  const planned = new Set(service.nextRuns().map(({ stream }) => stream));
  for (const { name, schedule } of Object.values(config.streams)) {
    if (schedule && !planned.has(name)) problems.push(`The schedule of ${name} names no moment to come.`);
  }
  return problems;
}
