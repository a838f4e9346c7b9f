import { NightlyError } from '../base/errors.ts';
import type { TimeWitness } from '../base/server-time.ts';
import { parseBuildId } from '../build/build-id.ts';
import type { StoredBuild } from '../build/build-store.ts';

/**
 * How far the clock may be from a server's. A clock kept in the wrong time zone is at most 26 hours off (UTC+14 against
 * UTC-12), and what goes by the clock here, retention and build ids, counts in days.
 */
export const LIMIT_SECONDS = 26 * 3600;

/** Set to 1: whoever runs the program answers for the clock. */
export const TRUST_VARIABLE = 'ATOMIC_NIGHTLY_TRUST_CLOCK';

/**
 * Why a clock is in doubt; undefined when nothing speaks against it. It is when more servers contradict than confirm it,
 * for one server may well be the one that is wrong. Where none confirms it, builds that are on record must not be of a
 * later day. An old record says nothing: a stream may rest for a year.
 * @param now seconds since the epoch, by the clock
 * @param records what others have dated, which must not be of a later day either
 */
export function doubtOf(
  now: number,
  witnesses: readonly TimeWitness[],
  records: readonly DatedRecord[] = [],
): string | undefined {
  const off = witnesses.filter(({ ahead }) => Math.abs(ahead) > LIMIT_SECONDS);
  const confirming = witnesses.filter((one) => one.confirms && !off.includes(one));
  if (off.length > confirming.length) {
    const [first] = off.toSorted((a, b) => Math.abs(a.ahead) - Math.abs(b.ahead));
    const said = off.map(({ origin, ahead }) => `${origin} says ${date(now + ahead)}`).join(', ');
    return first && `it is ${apart(first.ahead)} (${said})`;
  }
  if (confirming.length > 0) return undefined;
  const later = records.filter(({ at }) => at > now + LIMIT_SECONDS).toSorted((a, b) => a.at - b.at);
  const newest = later.at(-1);
  return newest && `${newest.what}, which is ${apart(newest.at - now)}`;
}

/** Something that somebody has dated: the clock was that late already. */
export interface DatedRecord {
  /** What happened then, as in `build 20261121_01 was published already`. */
  readonly what: string;
  /** Seconds since the epoch. */
  readonly at: number;
}

/** Published builds as such records. @param ids those that are none are left out */
export function datedBuilds(ids: readonly string[]): DatedRecord[] {
  return ids.map((id) => ({ what: `build ${id} was published already`, at: startOf(id) }));
}

/** Says that the clock was found good for a build; only `checkBuildClock` hands it out. */
export interface CheckedClock {
  /** Build ids that the targets' indexes name: it was checked against them. */
  readonly published: readonly string[];
  /** The builds that are here. */
  readonly builds: readonly StoredBuild[];
}

/** @throws NightlyError `clock` for a clock that is in doubt, unless the environment says to trust it. */
export function insistOnClock(doubt: string | undefined, now: number): void {
  if (doubt === undefined || process.env[TRUST_VARIABLE] === '1') return;
  throw new NightlyError(
    'clock',
    `This machine's clock is in doubt: it says ${date(now)}, but ${doubt}. Nothing was built, published or removed by it.`,
    {
      hint: `Set the clock ("timedatectl" shows whether it is kept in step), then run again. If it is right and a night was dated in the future: "atomic-nightly retract BUILD --reason TEXT" leads back from it (docs/bad-night.md). If it is right and the others are wrong: ${TRUST_VARIABLE}=1 in the environment of this one run.`,
    },
  );
}

/** Start of a build's day, seconds since the epoch; 0 for what is not a build id. */
function startOf(id: string): number {
  const day = parseBuildId(id)?.day;
  return day === undefined
    ? 0
    : Date.UTC(Math.floor(day / 10_000), (Math.floor(day / 100) % 100) - 1, day % 100) / 1000;
}

/** @param ahead seconds that others are ahead of this clock */
function apart(ahead: number): string {
  const hours = Math.round(Math.abs(ahead) / 3600);
  const much = hours < 72 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
  return ahead < 0 ? `${much} ahead of the others` : `${much} behind the others`;
}

const date = (seconds: number): string => new Date(seconds * 1000).toISOString();
