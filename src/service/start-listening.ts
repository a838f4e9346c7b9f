import type { Hono } from 'hono';
import { asNightlyError } from '../base/as-nightly-error.ts';
import { remembered } from '../base/remembered.ts';
import type { Config } from '../config/config.ts';
import { type Logo, logoOf } from '../reports/pages/brand.ts';
import { encodeName } from '../reports/pages/links.ts';
import type { ServiceControl } from './control.ts';
import { followHubBus } from './events/hub-bus.ts';
import { startMqttTrigger } from './events/mqtt-events.ts';
import { startTargetServers, type TargetServers } from './files/target-servers.ts';
import { limitHeapGrowth } from './heap-growth.ts';
import { serveHttp } from './http/http-server.ts';
import { serviceMetrics } from './http/metrics.ts';
import { serviceApp } from './http/service-app.ts';
import { pagesApp } from './live/live-app.ts';
import { openWork, type Work } from './live/work-folder.ts';
import type { ServiceLog } from './service-log.ts';

/** How long the first who asks waits for old builds to be read. */
const OLD_BUILDS_MS = 100;

/** A look at keys starts programs. */
const PROBLEMS_AGAIN_MS = 60_000;
const LOGO_AGAIN_MS = 300_000;

/** The listening part of a service: all that others can reach over the network. */
export interface Listening {
  /** `http://HOST:PORT` */
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts HTTP and MQTT. It reads the work folder, the folders of targets that it serves, and asks the control for all else.
 * @throws NightlyError `usage` when an address is taken, `config` when a file that the configuration names cannot be read.
 */
export async function startListening(config: Config, control: ServiceControl, log: ServiceLog): Promise<Listening> {
  limitHeapGrowth();
  const work = openWork(config.work, { waitMs: OLD_BUILDS_MS });
  const pages = pagesApp({
    config,
    work,
    nextRuns: control.nextRuns,
    content: control.content,
    holder: control.holder,
    logo: remembered(LOGO_AGAIN_MS, () => logoFrom(config, control, log)),
    standingProblems: remembered(PROBLEMS_AGAIN_MS, control.standingProblems),
  });
  await warmUp(pages, config, work);
  const bus = await followHubBus(config, control, log);
  const metrics = serviceMetrics(config, { work, control, busCounts: () => bus?.counts() });
  const app = serviceApp(config, control, { pages, work, log }, metrics);
  const server = await serveHttp(app, config.service.listen);
  let targets: TargetServers | undefined;
  try {
    targets = await startTargetServers(config, log);
    const mqtt = config.service.mqtt ? await startMqttTrigger(config.service.mqtt, control, log) : undefined;
    return {
      url: server.url,
      async stop() {
        await Promise.all([server.stop(), targets?.stop()]);
        await mqtt?.stop();
        await bus?.stop();
      },
    };
  } catch (error) {
    await Promise.all([server.stop(), targets?.stop()]);
    await bus?.stop();
    throw error;
  }
}

/**
 * Makes a page of each kind before anybody asks: the first takes several times longer, and all others would wait for it. Reads
 * the newest records for it; of the others there may be thousands, which are read while the service listens.
 */
async function warmUp(pages: Hono, { streams }: Config, work: Work): Promise<void> {
  const [newest] = await work.builds();
  const ofStreams = Object.keys(streams).map((name) => `/streams/${encodeName(name)}/`);
  const ofBuild = newest ? [`/builds/${newest.meta.buildid}/${newest.meta.basearch}/`] : [];
  for (const path of ['/', '/', ...ofStreams.slice(0, 1), ...ofBuild, '/get/', '/search/']) {
    await (await pages.request(path)).text();
  }
}

/** Pages are shown without a picture that cannot be used. */
async function logoFrom({ pages }: Config, control: ServiceControl, log: ServiceLog): Promise<Logo | undefined> {
  try {
    const content = pages?.logo === undefined ? undefined : await control.read('logo');
    return content === undefined || pages?.logo === undefined
      ? undefined
      : logoOf(pages.logo, Buffer.from(content, 'base64'));
  } catch (error) {
    log(`error: ${asNightlyError(error).message}`);
    return undefined;
  }
}
