import { access, constants } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { asNightlyError } from '../../base/as-nightly-error.ts';
import { NightlyError } from '../../base/errors.ts';
import { isErrno } from '../../base/files.ts';
import type { Config } from '../../config/config.ts';
import { parseConfig } from '../../config/load.ts';
import { lowerSession } from '../priority.ts';
import { type Listening, startListening } from '../start-listening.ts';
import { boundedLines, TOO_LONG } from './bounded-lines.ts';
import {
  asFault,
  type ListenerNotice,
  type ListenerRequest,
  MAX_MESSAGE_BYTES,
  parseFromService,
  type ServiceMessage,
} from './messages.ts';
import { type RemoteControl, remoteControl } from './remote-control.ts';

/**
 * The listening process of a service that root started: HTTP and MQTT, without any rights (listener-sandbox.ts). The
 * service speaks to it over standard input and output, and it ends with that.
 */

/** The listening process of a service that was just killed lets go of its port a moment later. */
const TRIES = 15;
const PAUSE_MS = 200;

const send = (message: ListenerRequest | ListenerNotice): void =>
  void process.stdout.write(`${JSON.stringify(message)}\n`);
const log = (sentence: string): void => send({ tell: 'log', sentence: sentence.slice(0, 8000) });

async function* messages(): AsyncGenerator<ServiceMessage> {
  for await (const line of boundedLines(process.stdin, MAX_MESSAGE_BYTES)) {
    if (line !== TOO_LONG) yield parseFromService(line);
  }
}

async function listen(start: { path: string; config: string }, control: RemoteControl): Promise<Listening> {
  const config = parseConfig(start.config, start.path, { rules: false });
  await refuseIfClosed(config);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startListening(config, control, log);
    } catch (error) {
      if (!(error instanceof NightlyError && /EADDRINUSE/.test(error.message)) || attempt === TRIES) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/** Pages and numbers come from the work folder; without it there is nothing to show. */
async function refuseIfClosed({ work }: Config): Promise<void> {
  try {
    await access(work, constants.R_OK | constants.X_OK);
  } catch (error) {
    if (!isErrno(error, 'EACCES')) throw error;
    throw new NightlyError('config', `User ${process.getuid?.()} cannot read ${work}, as whom the service listens.`, {
      hint: `Run "chmod a+rx ${work}"; nothing in it is secret. Or name another user in "service.user".`,
    });
  }
}

async function main(): Promise<void> {
  let [control, listening]: [RemoteControl | undefined, Promise<Listening> | undefined] = [undefined, undefined];
  for await (const message of messages()) {
    if ('start' in message) {
      const { start, status } = message;
      control = remoteControl(status, send);
      listening = listen(start, control);
      listening.then(
        ({ url }) => send({ tell: 'listening', url }),
        (error: unknown) => send({ tell: 'failed', ...asFault(asNightlyError(error)) }),
      );
    } else if (!('say' in message)) control?.receive(message);
    else if (message.say === 'alive') send({ tell: 'alive' });
    else {
      await (await listening?.catch(() => undefined))?.stop();
      break;
    }
  }
  process.exit(0);
}

lowerSession();
await main();
