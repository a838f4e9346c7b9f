import { sha256 } from '../base/files.ts';
import { type Ledger, levelIn } from './builder-ledger.ts';
import type { DrawDay } from './draw-secrets.ts';
import { dayAt, decideDuplicate } from './draws.ts';
import type { KeptResult } from './result-store.ts';

/** A result that arrived on a day, with what its draw had to be and was. */
export interface CheckedDraw {
  readonly job: string;
  readonly builder: string;
  readonly operator: string;
  readonly rate: number | undefined;
  readonly wanted: boolean | undefined;
  /** The job that built the same again; undefined where none was wanted, or it has no result yet. */
  readonly duplicate: string | undefined;
  /** What is wrong, as a part of a sentence; undefined: nothing. */
  readonly fault: string | undefined;
  /** Its duplicate is still to come. */
  readonly waits: boolean;
}

/** What the draws of a day were. */
export interface CheckedDay {
  readonly day: string;
  readonly commitment: string;
  readonly secret: string;
  /** What is wrong with the day as a whole. */
  readonly faults: readonly string[];
  readonly draws: readonly CheckedDraw[];
}

/**
 * Verifies the draws of a day with its secret: it is the one that was committed to; each result was drawn at the rate of what its
 * builder was then; and whatever was drawn was built again, at another operator. Nobody was spared, then, and nobody picked on.
 * @param ledgers history of each builder by its name
 * @param rates of the configuration, by level
 */
export function checkDraws(
  { day, commitment, madeAt, secret }: DrawDay & { readonly secret: string },
  results: readonly KeptResult[],
  ledgers: ReadonlyMap<string, Ledger>,
  rates: Readonly<Record<string, number>>,
): CheckedDay {
  const bytes = Buffer.from(secret, 'hex');
  const faults = sha256(bytes) === commitment ? [] : [`its secret is not the one whose SHA-256 is ${commitment}`];
  const first = results.find(({ result }) => dayAt(result.finishedAt) === day);
  if (first !== undefined && madeAt > first.result.finishedAt)
    faults.push('its secret was made after the first result had arrived');
  const drawn = results.filter(({ result, draw }) => {
    return (draw?.day ?? dayAt(result.finishedAt)) === day && !result.scratch && result.duplicateOf === undefined;
  });
  return {
    day,
    commitment,
    secret,
    faults,
    draws: drawn.map((kept) => checkDraw(kept, bytes, results, ledgers, rates)),
  };
}

function checkDraw(
  { result, draw }: KeptResult,
  secret: Uint8Array,
  results: readonly KeptResult[],
  ledgers: ReadonlyMap<string, Ledger>,
  rates: Readonly<Record<string, number>>,
): CheckedDraw {
  const { job, builder, operator } = result;
  const again = results.find((one) => one.result.duplicateOf === job)?.result;
  const about = { job, builder, operator, rate: draw?.rate, wanted: draw?.wanted, duplicate: again?.job };
  const waits = draw?.wanted === true && again === undefined;
  const fault = ((): string | undefined => {
    if (draw === undefined) return 'nothing was drawn for it';
    const ledger = ledgers.get(builder);
    const level = ledger && levelIn(ledger, result.finishedAt);
    const rated = level === 'suspended' ? 'new' : level;
    if (rated !== undefined && rated !== draw.level)
      return `it was drawn as of a builder that is ${draw.level}, and it was ${rated}`;
    if (draw.rate < (rates[draw.level] ?? 0))
      return `it was drawn at ${draw.rate}, less than the ${rates[draw.level]} of a builder that is ${draw.level}`;
    if (decideDuplicate(result, draw.rate, secret) !== draw.wanted)
      return draw.wanted ? 'it was picked though it was not drawn' : 'it was spared though it was drawn';
    if (again?.operator === operator) return `its duplicate ran at ${operator} as well`;
    return undefined;
  })();
  return { ...about, fault, waits };
}
