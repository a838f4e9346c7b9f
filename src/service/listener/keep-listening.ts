import { setTimeout as sleep } from 'node:timers/promises';
import { asNightlyError } from '../../base/as-nightly-error.ts';
import type { ServiceLog } from '../service-log.ts';
import type { Listening } from '../start-listening.ts';
import type { ListenerProcess } from './listener-process.ts';

/** Time until it is started again, doubled each time that it did not last. */
const AGAIN_MS = { first: 1000, longest: 60_000 } as const;
/** A process that lasted this long is started again at once. */
const LASTED_MS = 60_000;

/** The listening part, whichever process it is at the moment. */
export interface KeptListening extends Listening {
  /** Whether the listening process gives signs of life; one that is being started again counts. */
  isAlive(): boolean;
}

/**
 * Starts the listening process, and again whenever it ends unasked: nightly builds go on without it, and whoever
 * watches the service reads why in its log.
 * @throws what the first start throws: a service that cannot listen does not start.
 */
export async function keepListening(start: () => Promise<ListenerProcess>, log: ServiceLog): Promise<KeptListening> {
  let current: ListenerProcess | undefined = await start();
  const { url } = current;
  const stopping = new AbortController();
  const { signal } = stopping;

  async function again(): Promise<void> {
    try {
      current = await start();
      log(`listening on ${current.url} again`);
    } catch (error) {
      log(`error: ${asNightlyError(error).message}`);
    }
  }

  async function watch(): Promise<void> {
    let wait: number = AGAIN_MS.first;
    while (!signal.aborted) {
      const since = performance.now();
      const why = await current?.ended;
      current = undefined;
      if (signal.aborted) return;
      wait = performance.now() - since > LASTED_MS ? AGAIN_MS.first : wait;
      if (why !== undefined)
        log(`error: the listening process ended (${why}); it is started again in ${wait / 1000} s`);
      await sleep(wait, undefined, { signal }).catch(() => undefined);
      wait = Math.min(AGAIN_MS.longest, wait * 2);
      if (!signal.aborted) await again();
    }
  }

  const watching = watch();
  return {
    url,
    isAlive: () => current?.isAlive() ?? true,
    async stop() {
      stopping.abort();
      await current?.stop();
      await watching;
      // Started in the moment that this was asked for.
      await current?.stop();
    },
  };
}
