import { asNightlyError } from '../../base/as-nightly-error.ts';
import { NightlyError } from '../../base/errors.ts';
import type { NotifyConfig } from '../../config/config.ts';
import type { BuildEvent } from './event.ts';
import { openSink } from './open-sinks.ts';
import { type Outbox, openOutbox, type Waiting } from './outbox.ts';
import { Refused } from './sink.ts';

/** Brings events to one sink, in their order. */
export interface Courier {
  /** Keeps it until it is sent, when the sink wants such events. */
  take(event: BuildEvent): Promise<void>;
  /**
   * Sends what waits, until something goes wrong. Never throws.
   * @returns a sentence for people on what went wrong; undefined when all was sent
   */
  deliver(signal: AbortSignal): Promise<string | undefined>;
}

/** Returns a courier for a sink, with its outbox in the work folder. */
export function openCourier(workDir: string, config: NotifyConfig): Courier {
  const outbox = openOutbox(workDir, config.name);
  // One after the other: the last event of a run must not overtake its first.
  let last: Promise<unknown> = Promise.resolve();
  return {
    async take(event) {
      if (wants(config, event)) await outbox.add(event);
    },
    deliver(signal) {
      const next = last.then(() => sendAll(config, outbox, signal));
      last = next;
      return next;
    },
  };
}

/** Whether a sink is to be told of it. */
function wants({ events, streams }: NotifyConfig, { type, stream }: BuildEvent): boolean {
  // An audit is about a target, a dispute about a package, whatever streams are published there or have it.
  const isMeant = type === 'audit-finding' || type === 'dispute' || streams === undefined || streams.includes(stream);
  return isMeant && events.some((one) => one === type);
}

async function sendAll(config: NotifyConfig, outbox: Outbox, signal: AbortSignal): Promise<string | undefined> {
  const refused: string[] = [];
  try {
    const waiting = await outbox.waiting();
    if (waiting.length === 0) return undefined;
    const sink = await openSink(config);
    for (const [index, { event, remove }] of waiting.entries()) {
      try {
        // A signal of its own: listeners that each sending leaves behind do not add up on that of the run.
        await sink.send(event, AbortSignal.any([signal]));
      } catch (error) {
        if (!(error instanceof NightlyError && error.cause instanceof Refused)) {
          throw keptFor(asNightlyError(error), waiting.slice(index), signal);
        }
        refused.push(`${event.type} of ${event.build}, which is dropped: ${error.message}`);
      }
      await remove();
    }
  } catch (error) {
    return `${config.name}: ${[...refused, asNightlyError(error).message].join('; ')}`;
  }
  return refused.length === 0 ? undefined : `${config.name}: ${refused.join('; ')}`;
}

function keptFor(error: NightlyError, waiting: readonly Waiting[], signal: AbortSignal): NightlyError {
  const why = signal.aborted ? 'there was no answer in time' : error.message.split('\n')[0];
  const lost = waiting.flatMap(({ unkept }) => (unkept ? [unkept.message] : []));
  const kept = `${waiting.length - lost.length} kept for the next run`;
  const both = lost.length === 0 ? kept : `${kept}, ${lost.length} lost with this one: ${lost[0]}`;
  return new NightlyError('notify', `${why} (${both})`, { cause: error });
}
