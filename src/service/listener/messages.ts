import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { instant, word } from '../../build/record-values.ts';
import { tagName } from '../../content/hub-message.ts';
import { lockHolderSchema } from '../../run/run-lock.ts';
import { LISTENER_FILES } from '../control.ts';
import { PROBLEM } from '../problem.ts';

/**
 * What passes between the two processes of a service that root started, a JSON object a line in each direction. The
 * listening process has no rights, and whoever took it over could send anything: what it may ask is this closed list, each
 * checked whole, with no key that is not known. Nothing in it is a path, a command or an argument of one but the name of a
 * stream or a tag, which is looked up in the configuration.
 */

/** Bytes of a line that the listening process may send: far more than it ever needs. */
export const MAX_REQUEST_BYTES = 16 * 1024;
/** Bytes of a line to it: a configuration, a list of users. */
export const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;

/** Characters of who asks for a nightly build. */
export const MAX_FROM = 200;

const text = (max: number) => z.string().max(max);
const id = z.int().min(0);

const REQUESTS = [
  z.strictObject({ ask: z.literal('trigger'), id, stream: word.max(200), from: text(MAX_FROM) }),
  z.strictObject({ ask: z.literal('content'), id, tag: tagName, from: text(MAX_FROM) }),
  z.strictObject({ ask: z.literal('holder'), id }),
  z.strictObject({ ask: z.literal('unreadiness'), id }),
  z.strictObject({ ask: z.literal('key-expiries'), id }),
  z.strictObject({ ask: z.literal('standing-problems'), id }),
  z.strictObject({ ask: z.literal('read'), id, file: z.literal(LISTENER_FILES) }),
] as const;

/** Codes of errors that pass; every other is `bug` on the other side. */
const CODES = ['usage', 'config', 'permission', 'interrupted', 'bug'] as const;
const fault = z.strictObject({ code: z.literal(CODES), message: text(8000), hint: text(8000).exactOptional() });

const NOTICES = [
  z.strictObject({ tell: z.literal('listening'), url: z.string().regex(/^http:\/\/[\w.:[\]-]{1,300}$/) }),
  z.strictObject({ tell: z.literal('failed'), ...fault.shape }),
  z.strictObject({ tell: z.literal('log'), sentence: text(8000) }),
  z.strictObject({ tell: z.literal('heard'), tag: tagName }),
  z.strictObject({ tell: z.literal('alive') }),
] as const;

const request = z.discriminatedUnion('ask', REQUESTS);
const notice = z.discriminatedUnion('tell', NOTICES);

/** What the listening process asks for; an answer with the same id follows. */
export type ListenerRequest = z.output<typeof request>;
/** What it says. */
export type ListenerNotice = z.output<typeof notice>;
export type Fault = z.output<typeof fault>;

const contentStatus = z.strictObject({
  tags: z.array(z.strictObject({ tag: tagName, running: z.boolean(), failures: z.int(), due: z.number().optional() })),
  problems: z.array(z.strictObject({ tag: tagName, why: z.string() })).readonly(),
  awaySince: z.number().optional(),
  comparedAt: z.number().optional(),
});

const status = z.strictObject({
  waiting: z.int(),
  active: z.int(),
  draining: z.boolean(),
  nextRuns: z.array(z.strictObject({ stream: word, at: instant })),
  content: contentStatus.exactOptional(),
});

const fromService = z.union([
  z.strictObject({ start: z.strictObject({ path: z.string(), config: z.string() }), status }),
  z.strictObject({ status }),
  z.strictObject({ answer: id, value: z.unknown().optional() }),
  z.strictObject({ answer: id, fault }),
  z.strictObject({ say: z.literal(['alive', 'stop']) }),
]);

/** What the listening process is sent. */
export type ServiceMessage = z.output<typeof fromService>;
export type ListenerStatus = z.output<typeof status>;

/** What the answers to requests must be. */
export const ANSWERS = {
  trigger: instant,
  askContent: z.undefined(),
  holder: lockHolderSchema.optional(),
  unreadiness: z.array(z.string()),
  keyExpiries: z.array(z.strictObject({ fingerprint: z.string(), seconds: z.number() })),
  standingProblems: z.array(PROBLEM),
  read: z.string().optional(),
} as const;

/**
 * Reads a line of the listening process. @returns what is wrong with it as text: it is refused, and the id to refuse it
 * to, if it has one
 */
export function parseFromListener(
  line: string,
): ListenerRequest | ListenerNotice | { readonly refused: string; readonly id?: number } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { refused: 'it is not JSON' };
  }
  const isNotice = typeof value === 'object' && value !== null && Object.hasOwn(value, 'tell');
  const parsed = isNotice ? notice.safeParse(value) : request.safeParse(value);
  if (parsed.success) return parsed.data;
  const numbered = z.looseObject({ id }).safeParse(value);
  const [first] = parsed.error.issues;
  const place = first && first.path.length > 0 ? `${first.path.join('.')}: ` : '';
  return {
    refused: `${place}${first?.message ?? 'it is nothing known'}`,
    ...(numbered.success ? { id: numbered.data.id } : {}),
  };
}

/** Reads a line of the service. @throws Error when it is none. */
export function parseFromService(line: string): ServiceMessage {
  return fromService.parse(JSON.parse(line));
}

/** Returns an error as it passes between the two. */
export function asFault({ code, message, hint }: NightlyError): Fault {
  const known = CODES.find((one) => one === code) ?? 'bug';
  return { code: known, message: message.slice(0, 8000), ...(hint === undefined ? {} : { hint: hint.slice(0, 8000) }) };
}

/** Returns the error again. */
export function asError({ code, message, hint }: Fault): NightlyError {
  return new NightlyError(code, message, hint === undefined ? {} : { hint });
}
