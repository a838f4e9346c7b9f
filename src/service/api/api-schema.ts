import { z } from 'zod';
import { buildId, instant, word } from '../../build/record-values.ts';
import { PROBLEM } from '../problem.ts';

const seconds = z.int().min(0);

const standing = z.strictObject({ build: buildId, state: z.string(), ageSeconds: seconds });

const promoted = z.strictObject({
  build: buildId,
  stream: word,
  state: z.string(),
  attempt: z.int(),
  released: z.boolean(),
  'superseded-by': buildId.exactOptional(),
});

/** What a build has in answers beside its record. */
export const PRINTED = z.looseObject({
  'atomic-nightly.state': z.string(),
  'atomic-nightly.age-seconds': seconds,
  'atomic-nightly.promoted-to': z.array(promoted),
  'atomic-nightly.tags': z.array(word).describe('Names that people gave to the build.'),
});

/** A build whose record cannot be read. */
export const PRINTED_DAMAGE = z.strictObject({
  buildid: buildId,
  'coreos-assembler.basearch': z.string().exactOptional(),
  'atomic-nightly.state': z.literal('damaged'),
  'atomic-nightly.damage': z.string(),
});

/** How a stream stands: `StreamStatus`. */
export const STREAM_STATUS = z.strictObject({
  stream: word,
  last: z
    .strictObject({ ...standing.shape, why: z.string().exactOptional(), step: z.string().exactOptional() })
    .exactOptional(),
  failing: z.strictObject({ build: buildId, ageSeconds: seconds, builds: z.int() }).exactOptional(),
  good: standing.exactOptional(),
  next: instant.exactOptional(),
  behind: z.array(word),
  problems: z.array(z.string()),
});

/** How all of it stands: `Status`. */
export const STATUS = z.strictObject({
  problems: z.array(z.string()).describe('What needs somebody, a sentence each; none: all is well.'),
  nextSteps: z.array(PROBLEM).describe('What to do about each of them, in the same order.'),
  running: z.looseObject({ pid: z.int(), host: z.string(), command: z.string(), since: instant }).exactOptional(),
  queue: z.array(z.looseObject({ stream: word, cause: z.string(), notBefore: instant, failures: z.int() })),
  streams: z.array(STREAM_STATUS),
  disk: z.looseObject({ free: z.number(), total: z.number() }).exactOptional().describe('Bytes.'),
});

/** An answer that is none of what was asked for. */
export const ERROR = z.strictObject({
  error: z.string(),
  faults: z.array(z.strictObject({ parameter: z.string(), why: z.string() })).exactOptional(),
});
