import { asNightlyError } from '../../base/as-nightly-error.ts';
import { definedOnly } from '../../base/defined-only.ts';
import { NightlyError } from '../../base/errors.ts';
import { quietTask } from '../../base/task.ts';
import type { Config } from '../../config/config.ts';
import { converse } from '../../programs/converse.ts';
import type { SystemUser } from '../../programs/users.ts';
import type { ServiceControl } from '../control.ts';
import type { ServiceLog } from '../service-log.ts';
import type { Listening } from '../start-listening.ts';
import { createDesk } from './answer-listener.ts';
import { boundedLines } from './bounded-lines.ts';
import { listenerCommand } from './listener-sandbox.ts';
import {
  asError,
  type ListenerNotice,
  type ListenerStatus,
  MAX_REQUEST_BYTES,
  type ServiceMessage,
} from './messages.ts';

/** How soon the listening process learns of changes that it does not ask for. */
const STATUS_MS = 500;
/** Bytes of answers that it may leave unread. */
const MAX_UNREAD_BYTES = 32 * 1024 * 1024;
/** Time between the request to end and the kill. */
const END_MS = 10_000;

/** The listening part of a service as a process of its own. */
export interface ListenerProcess extends Listening {
  /** Resolves with the reason once it has ended, asked to or not. */
  readonly ended: Promise<string>;
  /** Asks it for a sign of life, and says whether the last one that was asked for came. */
  isAlive(): boolean;
}

/** What the listening process is made from. */
export interface ListenerSetup {
  readonly config: Config;
  /** The configuration as it was written, without what the listening part has no business with. */
  readonly configText: string;
  readonly user: SystemUser;
  readonly control: ServiceControl;
  readonly log: ServiceLog;
}

/**
 * Starts it and waits until it listens.
 * @throws NightlyError `usage` when an address is taken, `tool-missing`, `tool-failed` when it cannot be started.
 */
export async function startListenerProcess(setup: ListenerSetup): Promise<ListenerProcess> {
  const { config, configText, user, control, log } = setup;
  const [program = '', ...args] = listenerCommand(config, user);
  const { stdin, stdout, ended: exited, kill } = converse(program, args, { task: quietTask(), shown: [] });
  let [asked, answered, sent] = [0, 0, ''];

  function send(message: ServiceMessage): void {
    if (stdin.destroyed) return;
    stdin.write(`${JSON.stringify(message)}\n`);
    if (stdin.writableLength > MAX_UNREAD_BYTES) kill();
  }

  function sendStatus(): void {
    const status = statusOf(control);
    const now = JSON.stringify(status);
    if (now !== sent) send({ status });
    sent = now;
  }

  let settle: (url: string) => void = () => undefined;
  let refuse: (why: NightlyError) => void = () => undefined;
  const listening = new Promise<string>((onUrl, onFailure) => {
    [settle, refuse] = [onUrl, onFailure];
  });
  function onNotice(notice: ListenerNotice): void {
    switch (notice.tell) {
      case 'listening':
        settle(notice.url);
        break;
      case 'failed':
        refuse(asError(notice));
        break;
      case 'log':
        log(notice.sentence);
        break;
      case 'heard':
        control.heard(notice.tag);
        break;
      case 'alive':
        answered = asked;
    }
  }

  const desk = createDesk(tellingFirst(control, sendStatus), log, { send, onNotice });
  const reading = (async () => {
    for await (const line of boundedLines(stdout, MAX_REQUEST_BYTES)) desk.receive(line);
  })();
  const timer = setInterval(sendStatus, STATUS_MS);
  const ended = Promise.all([exited, reading])
    .then(() => 'it ended by itself')
    .catch((error: unknown) => asNightlyError(error).message)
    .finally(() => clearInterval(timer));
  void ended.then((why) => {
    refuse(
      new NightlyError('tool-failed', `The listening part of the service did not start: ${why}`, {
        hint: 'Run "atomic-nightly doctor"; docs/service.md says as whom it listens, and what it needs for that.',
      }),
    );
  });

  send({ start: { path: config.path, config: configText }, status: statusOf(control) });
  const url = await listening.catch(async (error: unknown) => {
    kill();
    await ended;
    throw error;
  });
  return {
    url,
    ended,
    isAlive() {
      const isFine = answered === asked;
      if (isFine) asked += 1;
      send({ say: 'alive' });
      return isFine;
    },
    async stop() {
      send({ say: 'stop' });
      const late = setTimeout(kill, END_MS);
      await ended;
      clearTimeout(late);
    },
  };
}

function statusOf(control: ServiceControl): ListenerStatus {
  return {
    ...control.jobs(),
    draining: control.draining(),
    nextRuns: control.nextRuns().map(({ stream, at }) => ({ stream, at: at.toISOString() })),
    ...definedOnly({ content: control.content() }),
  };
}

/** What a trigger changed is known before its answer is. */
function tellingFirst(control: ServiceControl, tell: () => void): ServiceControl {
  return {
    ...control,
    async trigger(stream, from) {
      const begins = await control.trigger(stream, from);
      tell();
      return begins;
    },
  };
}
