import { oneLine } from '../../base/one-line.ts';
import type { Config } from '../../config/config.ts';
import type { BusEvents } from '../../content/bus/bus-connection.ts';
import { openBus } from '../../content/bus/open-bus.ts';
import { readHubMessage } from '../../content/hub-message.ts';
import type { ServiceControl } from '../control.ts';
import { rateLimit } from '../http/rate-limit.ts';
import type { ServiceLog } from '../service-log.ts';
import { oneAtATime } from './one-at-a-time.ts';

/** Dropped messages that are logged in a minute. */
const LOGGED_A_MINUTE = 10;
/** How often it is looked which syncs began and ended, for the status messages. */
const STATUS_MS = 1000;

/** What has come over the bus since the service started. */
export interface BusCounts {
  readonly connected: boolean;
  readonly received: number;
  /** Messages that name no tag. */
  readonly dropped: number;
}

/** A connection to the bus that koji's hub sends to. */
export interface HubBus {
  counts(): BusCounts;
  stop(): Promise<void>;
}

/**
 * Follows the bus, whatever it speaks, and connects again whenever it goes away. What a broker drops meanwhile the poll finds.
 * @throws NightlyError `config` when a file cannot be read.
 */
export async function followHubBus(
  { name, content }: Config,
  control: ServiceControl,
  log: ServiceLog,
): Promise<HubBus | undefined> {
  const messages = content?.messages;
  if (!messages) return undefined;
  const { broker, clientId = `atomic-nightly-${name}`, statusTopic } = messages;
  const logged = rateLimit(LOGGED_A_MINUTE, 60_000);
  const pass = oneAtATime(async (tag) => control.heard(tag));
  let [received, dropped, isAway] = [0, 0, false];
  const events: BusEvents = {
    message(payload) {
      received += 1;
      const read = readHubMessage(payload);
      if ('tag' in read) return pass(read.tag);
      dropped += 1;
      if (logged.take('') === 0) log(`content: a message on ${broker} was dropped: ${read.dropped}`);
    },
    up() {
      isAway = false;
      log(`content: connected to ${broker}`);
    },
    down(why) {
      // Once, however often it is tried until it is back.
      if (!isAway) log(`content: ${broker}: ${oneLine(why)}; it is tried again until it is back`);
      isAway = true;
    },
  };
  const bus = await openBus({ messages, clientId, isLasting: true, read: control.read }, events);
  const { publish } = bus;
  const status =
    statusTopic === undefined || publish === undefined
      ? undefined
      : tellStatus(control, (text) => publish(statusTopic, text));
  return {
    counts: () => ({ connected: bus.connected(), received, dropped }),
    async stop() {
      clearInterval(status);
      await bus.stop();
    },
  };
}

/**
 * Publishes when the processing of a tag begins and ends, in the words that the signing service of CBS used: `time`, `tag`,
 * `status` (`processing`, `processed`), `jobs_in_queue`.
 */
function tellStatus(control: ServiceControl, publish: (text: string) => void): NodeJS.Timeout {
  let before = new Set<string>();
  return setInterval(() => {
    const tags = control.content()?.tags ?? [];
    const now = new Set(tags.filter(({ running }) => running).map(({ tag }) => tag));
    const waiting = tags.filter(({ running, due }) => !running && due !== undefined).length;
    const tell = (tag: string, status: 'processing' | 'processed'): void =>
      publish(JSON.stringify({ time: statusTime(new Date()), tag, status, jobs_in_queue: String(waiting) }));
    for (const tag of before) if (!now.has(tag)) tell(tag, 'processed');
    for (const tag of now) if (!before.has(tag)) tell(tag, 'processing');
    before = now;
  }, STATUS_MS);
}

/** `20230525-11:33:01`, UTC. */
const statusTime = (at: Date): string => at.toISOString().slice(0, 19).replaceAll('-', '').replace('T', '-');
