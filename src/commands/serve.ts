import { loadConfig } from '../config/load.ts';
import { serviceApp } from '../service/app.ts';
import { serveHttp } from '../service/http.ts';
import { takeServiceLock } from '../service/lock.ts';
import { serviceLog } from '../service/log.ts';
import { notifier } from '../service/notify.ts';
import { startService } from '../service/service.ts';
import type { LogFormat } from '../sinks/select.ts';
import { pagesApp } from '../web/app.ts';

/**
 * `atomic-nightly serve`: runs the schedules until SIGTERM or SIGINT. Gives the exit code.
 * @throws NightlyError `config`, `locked` when another service has the work folder, `usage`.
 */
export async function runServe(options: { readonly config: string; readonly logFormat: LogFormat }): Promise<number> {
  const config = await loadConfig(options.config);
  const log = serviceLog(options.logFormat, process.stderr);
  const free = await takeServiceLock(config.work);
  try {
    const systemd = notifier();
    const service = await startService(config, log);
    const server = await serveHttp(
      serviceApp(config, service, new Hono(), async () => ''),
      config.service.listen,
    );
    log(`listening on ${server.url}`, { url: server.url });
    const watchdog = systemd.watch();
    await systemd.tell('READY=1', 'STATUS=waiting');
    await new Promise<void>((settle) => {
      let first = true;
      const onSignal = () => {
        if (first) log('stopping');
        first = false;
        void systemd.tell('STOPPING=1', 'STATUS=stopping');
        void service.drain().then(settle);
      };
      process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
    });
    watchdog.stop();
    await server.stop();
    return 0;
  } finally {
    await free();
  }
}
