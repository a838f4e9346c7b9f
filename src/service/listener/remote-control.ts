import type { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import type { ServiceControl } from '../control.ts';
import {
  ANSWERS,
  asError,
  type ListenerNotice,
  type ListenerRequest,
  type ListenerStatus,
  MAX_FROM,
  type ServiceMessage,
} from './messages.ts';

/** After this time whoever asked over HTTP or MQTT is told that there is no answer. */
const ANSWER_MS = 60_000;

/** The control of a service in another process, as the listening process has it. */
export interface RemoteControl extends ServiceControl {
  /** Takes what the service sent. */
  receive(message: Extract<ServiceMessage, { answer: number } | { status: ListenerStatus }>): void;
}

/** Returns the control of a service that is asked by messages. @param send given what goes to it */
export function remoteControl(
  first: ListenerStatus,
  send: (message: ListenerRequest | ListenerNotice) => void,
): RemoteControl {
  let status = first;
  let last = 0;
  const waiting = new Map<
    number,
    { readonly settle: (value: unknown) => void; readonly refuse: (why: Error) => void }
  >();

  async function ask<Answer>(answers: z.ZodType<Answer>, request: (id: number) => ListenerRequest): Promise<Answer> {
    last += 1;
    const id = last;
    const answer = new Promise<unknown>((settle, refuse) => waiting.set(id, { settle, refuse }));
    const timer = setTimeout(() => {
      waiting.get(id)?.refuse(new NightlyError('interrupted', 'The process that runs nightly builds does not answer.'));
    }, ANSWER_MS);
    try {
      send(request(id));
      return answers.parse(await answer);
    } finally {
      clearTimeout(timer);
      waiting.delete(id);
    }
  }

  return {
    receive(message) {
      if ('status' in message) {
        status = message.status;
        return;
      }
      const one = waiting.get(message.answer);
      if ('fault' in message) one?.refuse(asError(message.fault));
      else one?.settle(message.value);
    },
    jobs: () => status,
    draining: () => status.draining,
    nextRuns: () => status.nextRuns.map(({ stream, at }) => ({ stream, at: new Date(at) })),
    holder: () => ask(ANSWERS.holder, (id) => ({ ask: 'holder', id })),
    trigger: async (stream, from) =>
      new Date(await ask(ANSWERS.trigger, (id) => ({ ask: 'trigger', id, stream, from: from.slice(0, MAX_FROM) }))),
    content: () => status.content,
    heard: (tag) => send({ tell: 'heard', tag }),
    askContent: (tag, from) =>
      ask(ANSWERS.askContent, (id) => ({ ask: 'content', id, tag, from: from.slice(0, MAX_FROM) })),
    unreadiness: () => ask(ANSWERS.unreadiness, (id) => ({ ask: 'unreadiness', id })),
    keyExpiries: () => ask(ANSWERS.keyExpiries, (id) => ({ ask: 'key-expiries', id })),
    standingProblems: () => ask(ANSWERS.standingProblems, (id) => ({ ask: 'standing-problems', id })),
    read: (file) => ask(ANSWERS.read, (id) => ({ ask: 'read', id, file })),
  };
}
