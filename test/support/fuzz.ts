import { inspect } from 'node:util';
import { Script } from 'node:vm';
import fc from 'fast-check';
import { NightlyError } from '../../src/base/errors.ts';

/** Inputs for each parser: some thousand in the unit tests, more where there is time for them. */
const FUZZ_RUNS = Number(process.env['FUZZ_RUNS'] ?? 2000);

/** Inputs that one watch covers: it is a thread of its own, which takes longer to come and go than most parsers do. */
const WATCHED = 50;
/** Milliseconds after which so many calls of a parser that waits for nothing count as an endless loop; a busy machine is far quicker. */
const ENDLESS_MS = 300_000;

export interface FuzzOptions<Value> {
  /** Further classes of errors that the parser's caller turns into the program's own. */
  readonly refusals?: readonly (abstract new (
    ...args: never[]
  ) => Error)[];
  /** Asserts what must hold for everything that is accepted, for instance that no name leads outside. */
  readonly check?: (value: Value) => void;
  /** Fewer inputs for a parser that starts programs. */
  readonly runs?: number;
  /** Another limit than `ENDLESS_MS`. */
  readonly endlessMs?: number;
}

/**
 * Feeds a parser with inputs: each is either accepted or refused as input of others. A TypeError, a RangeError, a fault
 * in the program itself (`bug`) or a loop without an end fails the test, which then tells the smallest such input.
 */
export function fuzz<Input, Value>(
  inputs: fc.Arbitrary<Input>,
  parse: (input: Input) => Value,
  options: FuzzOptions<Value> = {},
): void {
  const { check = () => undefined, runs = FUZZ_RUNS, endlessMs = ENDLESS_MS } = options;
  let last: Input | undefined;
  const property = fc.property(inputs, (input) => {
    last = input;
    try {
      check(parse(input));
    } catch (error) {
      if (!isRefusal(error, options.refusals)) throw error;
    }
  });
  for (let left = runs; left > 0; left -= WATCHED) {
    const some = { numRuns: Math.min(left, WATCHED), includeErrorInReport: true };
    bounded(
      () => fc.assert(property, some),
      () => last,
      endlessMs,
    );
  }
}

/** The same for a parser that waits for something; the test's own limit ends a loop. */
export async function fuzzAsync<Input, Value>(
  inputs: fc.Arbitrary<Input>,
  parse: (input: Input) => Promise<Value>,
  options: FuzzOptions<Value> = {},
): Promise<void> {
  const { check = () => undefined, runs = FUZZ_RUNS } = options;
  await fc.assert(
    fc.asyncProperty(inputs, async (input) => {
      try {
        check(await parse(input));
      } catch (error) {
        if (!isRefusal(error, options.refusals)) throw error;
      }
    }),
    { numRuns: runs, includeErrorInReport: true },
  );
}

function isRefusal(error: unknown, others: FuzzOptions<unknown>['refusals'] = []): boolean {
  if (error instanceof NightlyError) return error.code !== 'bug';
  return others.some((one) => error instanceof one);
}

const CALL = new Script('globalThis.fuzzedCall()');

/**
 * Calls a function, ended by force when it does not end by itself: the one way to have a loop without an end reported.
 * @param last gives the input that it was at
 */
function bounded(call: () => void, last: () => unknown, timeout: number): void {
  Object.assign(globalThis, { fuzzedCall: call });
  try {
    CALL.runInThisContext({ timeout });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')) throw error;
    throw new Error(`without an end: ${inspect(last())}`, { cause: error });
  }
}

/** What breaks parsers that trust their input: paths that lead out, names of prototypes, numbers at the edge, markup. */
const NASTY_WORDS: readonly string[] = [
  '',
  '.',
  '..',
  '../../x',
  '/etc/passwd',
  'a/b',
  'a\\b',
  '%2e%2e%2f',
  '%2E%2E/%00',
  'C:\\x',
  'file:///etc/passwd',
  'javascript:alert(1)',
  'http://',
  'http://[',
  '//host/x',
  '-x',
  '--option=x',
  '.hidden',
  '__proto__',
  'constructor',
  'toString',
  'null',
  'NaN',
  'Infinity',
  '-1',
  '1e309',
  '99999999999999999999999999',
  '0x10',
  'true',
  '\0',
  '\n',
  '\r\n',
  '\u001b[31m',
  '\u202e',
  '\ufeff',
  '\ufffd',
  '\ud800',
  '<',
  ']]>',
  '<!--',
  '&amp;',
  '&#0;',
  '&x;',
  '"',
  "'",
  '`$(x)`',
  '${x}',
  '$&',
  '[',
  '{',
  '='.repeat(40),
  'a'.repeat(5000),
  '['.repeat(3000),
  '{"a":'.repeat(3000),
];

const nastyWord = fc.constantFrom(...NASTY_WORDS);

/** A change of a byte string, at places that are fractions of its length. */
type Change = (bytes: Uint8Array) => Uint8Array;

const place = fc.double({ min: 0, max: 1, noNaN: true });

const splice = (bytes: Uint8Array, from: number, to: number, middle: Uint8Array): Uint8Array =>
  Buffer.concat([bytes.subarray(0, from), middle, bytes.subarray(to)]);

const at = (bytes: Uint8Array, fraction: number): number => Math.floor(fraction * bytes.length);

function change(samples: readonly Uint8Array[]): fc.Arbitrary<Change> {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 12 }),
    nastyWord.map((word) => Buffer.from(word)),
    fc.tuple(fc.constantFrom(...samples), place, fc.nat(80)).map(([sample, from, length]) => {
      return sample.subarray(at(sample, from), at(sample, from) + length);
    }),
  );
  return fc.oneof(
    fc.tuple(place, fc.nat(255)).map(([where, byte]): Change => {
      return (bytes) => splice(bytes, at(bytes, where), at(bytes, where) + 1, Uint8Array.of(byte));
    }),
    fc.tuple(place, fc.nat(40), piece).map(([where, length, middle]): Change => {
      return (bytes) => splice(bytes, at(bytes, where), at(bytes, where) + length, middle);
    }),
    fc.tuple(place, piece).map(([where, middle]): Change => {
      return (bytes) => splice(bytes, at(bytes, where), at(bytes, where), middle);
    }),
    fc.tuple(place, place).map(([one, other]): Change => {
      return (bytes) =>
        splice(bytes, at(bytes, Math.min(one, other)), at(bytes, Math.max(one, other)), Buffer.alloc(0));
    }),
    place.map(
      (where): Change =>
        (bytes) =>
          bytes.subarray(0, at(bytes, where)),
    ),
  );
}

/** Bytes made from good ones by a few changes, and now and then bytes out of nowhere. */
export function mutatedBytes(samples: readonly (Uint8Array | string)[]): fc.Arbitrary<Uint8Array> {
  const good = samples.map((sample) => (typeof sample === 'string' ? Buffer.from(sample) : sample));
  return fc.oneof(
    {
      weight: 9,
      arbitrary: fc
        .tuple(fc.constantFrom(...good), fc.array(change(good), { minLength: 1, maxLength: 4 }))
        .map(([sample, changes]) => changes.reduce((bytes, one) => one(bytes), sample)),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  );
}

/** The same as text; what is not UTF-8 becomes replacement characters, as TextDecoder makes them. */
export function mutatedText(samples: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 9, arbitrary: mutatedBytes(samples).map((bytes) => new TextDecoder().decode(bytes)) },
    { weight: 1, arbitrary: fc.oneof(fc.string({ unit: 'binary' }), nastyWord) },
  );
}

/** A JSON value in which any member may be another one, missing, renamed or there twice; and now and then any JSON value. */
export function mutatedJson(samples: readonly unknown[]): fc.Arbitrary<unknown> {
  const odd = fc.oneof(
    nastyWord,
    fc.constantFrom<unknown>(null, true, 0, -1, 1.5, Number.MAX_SAFE_INTEGER + 2, [], {}, [null], { a: {} }, [[[]]]),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const edits = fc.array(fc.tuple(fc.nat(), fc.constantFrom('replace', 'drop', 'rename', 'wrap'), odd, nastyWord), {
    minLength: 1,
    maxLength: 3,
  });
  return fc.oneof(
    {
      weight: 9,
      arbitrary: fc
        .tuple(fc.constantFrom(...samples), edits)
        .map(([sample, all]) => all.reduce((value, edit) => edited(value, edit), sample)),
    },
    { weight: 1, arbitrary: fc.oneof(odd, fc.jsonValue()) },
  );
}

type Edit = readonly [which: number, how: string, odd: unknown, word: string];

/** The value with the `which`th of its members (counted over all levels) changed. */
function edited(value: unknown, [which, how, odd, word]: Edit): unknown {
  let left = which % Math.max(1, countMembers(value));
  const walk = (one: unknown): unknown => {
    if (Array.isArray(one)) return one.flatMap((member) => step(member).map(([, changed]) => changed));
    if (typeof one !== 'object' || one === null) return one;
    // Not Object.fromEntries alone: a key "__proto__" must become a key, as JSON.parse makes it.
    const entries = Object.entries(one).flatMap(([key, member]) => step(member, key));
    const made: Record<string, unknown> = {};
    for (const [key, member] of entries) {
      Object.defineProperty(made, key, { value: member, enumerable: true, configurable: true, writable: true });
    }
    return made;
  };
  const step = (member: unknown, key = ''): [string, unknown][] => {
    const here = left === 0;
    left -= 1;
    if (!here) return [[key, walk(member)]];
    if (how === 'drop') return [];
    if (how === 'rename') return [[word, member]];
    if (how === 'wrap') return [[key, [member]]];
    return [[key, odd]];
  };
  if (countMembers(value) === 0) return odd;
  return walk(value);
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const members: unknown[] = Object.values(value);
  return members.reduce<number>((sum, member) => sum + 1 + countMembers(member), 0);
}
