import { loadConfig } from '../../config/load.ts';
import { startMqttTrigger } from '../../service/events/mqtt-events.ts';
import { serveHttp } from '../../service/http/http-server.ts';
import { serviceMetrics } from '../../service/http/metrics.ts';
import { serviceApp } from '../../service/http/service-app.ts';
import { pagesApp } from '../../service/live/live-app.ts';
import { openWork } from '../../service/live/work-folder.ts';
import { lowerPriority } from '../../service/priority.ts';
import { startService } from '../../service/service.ts';
import { takeServiceLock } from '../../service/service-lock.ts';
import { serviceLog } from '../../service/service-log.ts';
import { notifier } from '../../service/service-notices.ts';
import { defineCommand } from '../define.ts';

/** Pages that are made before anybody asks: the first ones take several times longer. */
const WARM_UPS = 2;
/** How long the first who asks waits for old builds to be read. */
const OLD_BUILDS_MS = 100;

/**
 * `atomic-nightly serve`: runs the schedules until SIGTERM or SIGINT. Gives the exit code.
 * @throws NightlyError `config`, `locked` when another service has the work folder, `usage` when an address is taken.
 */
export const serve = defineCommand({
  name: 'serve',
  section: 'Service',
  summary: 'run schedules, pages, metrics and triggers until stopped: docs/service.md',
  notes:
    'A run keeps going when the service is killed; the next service waits for it, or resumes it. SIGTERM starts no more nightly builds\n' +
    'and interrupts the one under way after "service.drain".',
  examples: ['atomic-nightly serve', 'curl http://127.0.0.1:8099/readyz'],
  async run(_, { config: path, logFormat }) {
    const config = await loadConfig(path);
    const log = serviceLog(logFormat, process.stderr);
    // From now on: a signal that comes while all of this starts must not be lost.
    let hurry = (): void => undefined;
    const stopped = untilSignalled(() => hurry());
    const free = await takeServiceLock(config.work);
    lowerPriority();
    const systemd = notifier();
    // The lock is held by a process of its own, which would keep this one alive.
    const service = await startService(config, log).catch(async (error: unknown) => {
      await free();
      throw error;
    });
    hurry = () => service.hurry();
    const running: { stop(): Promise<void> | void }[] = [];
    try {
      const work = openWork(config.work, { waitMs: OLD_BUILDS_MS });
      const pages = pagesApp({ config, work, nextRuns: () => service.nextRuns() });
      // Reads the newest records and prepares the templates, so that the first who asks waits no longer than others; of the
      // others there may be thousands, which are read while it listens.
      for (let time = 0; time < WARM_UPS; time += 1) await (await pages.request('/')).text();
      const app = serviceApp(config, service, { pages, work }, serviceMetrics(config, work, service));
      const server = await serveHttp(app, config.service.listen);
      running.push(server);
      if (config.service.mqtt) running.push(await startMqttTrigger(config.service.mqtt, service, log));
      running.push(systemd.watch());
      log(`listening on ${server.url}`, { url: server.url });
      await systemd.tell('READY=1', `STATUS=listening on ${server.url}`);
      await stopped;
      log('stopping');
      void systemd.tell('STOPPING=1', 'STATUS=stopping');
    } finally {
      await service.drain();
      for (const one of running) await one.stop();
      await free();
    }
    return 0;
  },
});

/** Resolves at the first SIGTERM or SIGINT; further ones end the run at once. */
async function untilSignalled(onFurther: () => void): Promise<void> {
  return new Promise((settle) => {
    let first = true;
    const onSignal = (): void => {
      if (!first) onFurther();
      first = false;
      settle();
    };
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  });
}
