import { asNightlyError } from '../../base/as-nightly-error.ts';
import type { ServiceControl } from '../control.ts';
import { rateLimit } from '../http/rate-limit.ts';
import type { ServiceLog } from '../service-log.ts';
import { type BoundedLine, TOO_LONG } from './bounded-lines.ts';
import {
  asFault,
  type ListenerNotice,
  type ListenerRequest,
  parseFromListener,
  type ServiceMessage,
} from './messages.ts';

/** Requests that are worked on at the same time; the limits of HTTP and MQTT let fewer through. */
const MAX_UNDER_WAY = 512;
/** Refusals that are logged in a minute: one who sends nothing but garbage must not fill the disk. */
const LOGGED_A_MINUTE = 20;

/** What the lines of a listening process lead to. */
export interface ListenerDesk {
  /** Answers a request; a line that is none is refused, and the log says so. */
  receive(line: BoundedLine): void;
}

/**
 * Returns what answers the listening process, which is not believed: whatever it sends, nothing happens but what is in the
 * list of messages.ts.
 * @param send given what goes back
 * @param onNotice given what it says by itself
 */
export function createDesk(
  control: ServiceControl,
  log: ServiceLog,
  {
    send,
    onNotice,
  }: { readonly send: (message: ServiceMessage) => void; readonly onNotice: (notice: ListenerNotice) => void },
): ListenerDesk {
  const logged = rateLimit(LOGGED_A_MINUTE, 60_000);
  let underWay = 0;

  function refuse(why: string, id?: number): void {
    if (logged.take('') === 0) log(`error: a request of the listening process was refused: ${why}`);
    if (id !== undefined) send({ answer: id, fault: { code: 'usage', message: `The request was refused: ${why}.` } });
  }

  async function answer(request: ListenerRequest): Promise<void> {
    underWay += 1;
    try {
      send({ answer: request.id, value: await carryOut(control, request) });
    } catch (error) {
      send({ answer: request.id, fault: asFault(asNightlyError(error)) });
    } finally {
      underWay -= 1;
    }
  }

  return {
    receive(line) {
      if (line === TOO_LONG) return refuse('it is too long');
      const message = parseFromListener(line);
      if ('refused' in message) refuse(message.refused, message.id);
      else if ('tell' in message) onNotice(message);
      else if (underWay >= MAX_UNDER_WAY) refuse('there are too many', message.id);
      else void answer(message);
    },
  };
}

async function carryOut(control: ServiceControl, request: ListenerRequest): Promise<unknown> {
  switch (request.ask) {
    case 'trigger':
      return (await control.trigger(request.stream, request.from)).toISOString();
    case 'content':
      return control.askContent(request.tag, request.from);
    case 'holder':
      return control.holder();
    case 'unreadiness':
      return control.unreadiness();
    case 'key-expiries':
      return control.keyExpiries();
    case 'standing-problems':
      return control.standingProblems();
    case 'read':
      return control.read(request.file);
  }
}
