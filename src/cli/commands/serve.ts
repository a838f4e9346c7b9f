import { loadConfig } from '../../config/load.ts';
import { listenerUser } from '../../run/listener-user.ts';
import { startAudits } from '../../service/audits.ts';
import { startContent } from '../../service/content/content-service.ts';
import { pollHub } from '../../service/content/poll-hub.ts';
import { runSync } from '../../service/content/run-sync.ts';
import { startNightsOf } from '../../service/content/start-nights.ts';
import { localControl } from '../../service/control.ts';
import { configForListener } from '../../service/listener/config-for-listener.ts';
import { keepListening } from '../../service/listener/keep-listening.ts';
import { startListenerProcess } from '../../service/listener/listener-process.ts';
import { openService } from '../../service/open-service.ts';
import { lowerPriority } from '../../service/priority.ts';
import { serviceLog } from '../../service/service-log.ts';
import { notifier } from '../../service/service-notices.ts';
import { startListening } from '../../service/start-listening.ts';
import { defineCommand } from '../define.ts';

/**
 * `atomic-nightly serve`: runs the schedules until SIGTERM or SIGINT. Gives the exit code.
 * @throws NightlyError `config`, `locked` when another service has the work folder, `usage` when an address is taken.
 */
export const serve = defineCommand({
  name: 'serve',
  section: 'Service',
  summary: 'run schedules, pages, metrics, triggers and web servers of targets until stopped: docs/service.md',
  notes:
    'A run keeps going when the service is killed; the next service waits for it, or resumes it. SIGTERM starts no more nightly builds ' +
    'and interrupts the one under way after "service.drain".',
  examples: ['atomic-nightly serve', 'curl http://127.0.0.1:8099/readyz'],
  async run(_, { config: path, logFormat }) {
    const config = await loadConfig(path);
    const user = await listenerUser(config.service.user);
    const configText = user ? await configForListener(path) : '';
    const log = serviceLog(logFormat, process.stderr);
    // From now on: a signal that comes while all of this starts must not be lost.
    let hurry = (): void => undefined;
    const stopped = untilSignalled(() => hurry());
    lowerPriority();
    const systemd = notifier();
    const { service, close } = await openService(config, log);
    hurry = () => service.hurry();
    const content = startContent(config, log, {
      sync: runSync,
      poll: pollHub,
      onPublished: (tag) => void startNightsOf(config, tag, service, log),
    });
    const running: { stop(): Promise<void> | void }[] = [];
    try {
      running.push(await startAudits(config, log));
      const control = localControl(config, service, content);
      const listening = user
        ? await keepListening(() => startListenerProcess({ config, configText, user, control, log }), log)
        : { ...(await startListening(config, control, log)), isAlive: () => true };
      running.push(listening, systemd.watch(listening.isAlive));
      const { url } = listening;
      log(`listening on ${url}`, { url, ...(user ? { user: user.name } : {}) });
      await systemd.tell('READY=1', `STATUS=listening on ${url}`);
      await stopped;
      log('stopping');
      void systemd.tell('STOPPING=1', 'STATUS=stopping');
    } finally {
      await Promise.all([service.drain(), content?.drain()]);
      for (const one of running) await one.stop();
      await close();
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
