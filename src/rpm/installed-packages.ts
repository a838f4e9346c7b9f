import { NightlyError } from '../base/errors.ts';
import { formatEvra } from './evr.ts';
import { type Lockfile, lockedEntries, type PackageId } from './lockfile.ts';

/**
 * Compares installed packages with a lockfile, which must name exactly these.
 * @param what has them, for the message
 * @throws NightlyError `compose`, naming the differences.
 */
export function compareInstalled(found: readonly PackageId[], lockfile: Lockfile, what: string): void {
  const has = new Set(found.map(nevra));
  const locked = lockedEntries(lockfile);
  const lacks = locked.filter(({ name, evra }) => !has.has(`${name}-${evra}`));
  const more = found.filter((one) => !isLocked(one, lockfile));
  const differences = [
    ...lacks.map(({ name, evra }) => `  ${name}-${evra} is locked and not there`),
    ...more.map((one) => `  ${nevra(one)} is there and not locked`),
  ].sort();
  if (differences.length === 0) return;
  const rest = differences.length > 20 ? `\n  and ${differences.length - 20} more` : '';
  throw new NightlyError(
    'compose',
    `${what} differs from the lockfile:\n${differences.slice(0, 20).join('\n')}${rest}`,
    {
      hint: 'A mirror served one package as another, or a script of a package or the treefile changed the rpm database: look at the packages named here.',
    },
  );
}

const nevra = (one: PackageId): string => `${one.name}-${formatEvra(one)}`;

/**
 * A lockfile names one package of a name; rpm-ostree may install it for a second architecture besides
 * (multilib).
 */
function isLocked(one: PackageId, lockfile: Lockfile): boolean {
  const locked = lockfile.packages[one.name]?.evra;
  return (
    lockfile.packages[`${one.name}.${one.arch}`]?.evra === formatEvra(one) ||
    locked === formatEvra(one) ||
    (locked !== undefined && locked === formatEvra({ ...one, arch: archOf(locked) }))
  );
}

const archOf = (evra: string): string => evra.slice(evra.lastIndexOf('.') + 1);
