import { NightlyError } from '../../base/errors.ts';
import { didYouMean } from '../../base/nearest.ts';
import type { Task } from '../../base/task.ts';
import { addToLedger, levelIn, readLedger, recordedBuilders } from '../../rebuild/builder-ledger.ts';
import type { BuilderLevel } from '../../rebuild/builder-levels.ts';
import { withRebuildLock } from '../../rebuild/rebuild-lock.ts';
import type { RebuildConfig } from '../../rebuild/rebuild-records.ts';

/** A person says that a builder is to be trusted more, or not at all. */
export interface LevelChange {
  readonly name: string;
  readonly by: string;
  readonly reason: string;
  /** Returns the next level; undefined where there is none. */
  readonly next: (level: BuilderLevel) => BuilderLevel | undefined;
}

/**
 * Changes the level of a builder, with who said so and why in its history.
 * @param now seconds since 1970
 * @throws NightlyError `usage` for a change that is none, or without a name or reason; `not-found` for a builder that there is not.
 */
export async function changeLevel(
  { work, builders }: RebuildConfig,
  { name, by, reason, next }: LevelChange,
  task: Task,
  now: number = Math.floor(Date.now() / 1000),
): Promise<{ readonly from: BuilderLevel; readonly to: BuilderLevel }> {
  if (by.trim() === '' || reason.trim() === '') {
    throw new NightlyError('usage', 'A change of level needs the name of who makes it, and a reason.', {
      hint: 'As in --by "Jane Doe" --reason "200 results, none disputed".',
    });
  }
  const names = [...new Set([...builders.machines.map((one) => one.name), ...(await recordedBuilders(work))])];
  if (!names.includes(name)) {
    const guess = didYouMean(name, names) || ` Builders here: ${names.join(', ')}.`;
    throw new NightlyError('not-found', `There is no builder "${name}".${guess}`, {
      hint: '"atomic-nightly builders" lists them.',
    });
  }
  return withRebuildLock(work, task, async () => {
    const from = levelIn(await readLedger(work, name));
    const to = next(from);
    if (to === undefined) {
      throw new NightlyError('usage', `${name} is ${from} already.`, {
        hint: '"atomic-nightly builders" shows levels.',
      });
    }
    await addToLedger(work, name, { at: now, level: to, by: by.trim(), reason: reason.trim() });
    return { from, to };
  });
}

/** One level up; a suspended builder begins again. */
export function promoted(level: BuilderLevel): BuilderLevel | undefined {
  switch (level) {
    case 'suspended':
      return 'new';
    case 'new':
      return 'proven';
    case 'proven':
      return 'sponsor';
    case 'sponsor':
      return undefined;
  }
}

/** Returns the level of a builder that is suspended; undefined for one that is already. */
export const suspended = (level: BuilderLevel): BuilderLevel | undefined =>
  level === 'suspended' ? undefined : 'suspended';
