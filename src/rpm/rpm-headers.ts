import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { identifyRpms, type RpmIdentity } from '../programs/rpm.ts';
import { formatEvra } from './evr.ts';

/** An RPM file, and the package that metadata and lockfile say it is. */
export interface ClaimedRpm {
  readonly name: string;
  /** `[epoch:]version-release.arch` */
  readonly evra: string;
  readonly path: string;
  /** The repository it comes from, where that is known. */
  readonly repo?: string;
}

/**
 * Compares the header of each RPM file with the name and version it is locked by. A signature says who made a package, not
 * which one it is: a mirror may serve an old one, validly signed, as the newest, and every record would name the newest.
 * @param home an empty folder, so that no .rpmmacros of the user counts
 * @throws NightlyError `verify`, naming each file, what it is said to be and what it is.
 */
export async function checkHeaders(claimed: readonly ClaimedRpm[], home: string, task: Task): Promise<void> {
  const found = await identifyRpms(
    claimed.map(({ path }) => path),
    home,
    task,
  );
  const wrong = claimed.flatMap(({ name, evra, path, repo }, index) => {
    const is = identityOf(found[index]);
    if (is === `${name}-${evra}`) return [];
    return [`  ${name}-${evra}${repo === undefined ? '' : ` from repository "${repo}"`}: ${path} is ${is}`];
  });
  if (wrong.length === 0) return;
  throw new NightlyError(
    'verify',
    `RPM files are other packages than the repository metadata says:\n${wrong.join('\n')}`,
    {
      hint: 'Nothing was installed. Whoever made that metadata, or the mirror, serves one package as another: report it to them, or use another mirror.',
    },
  );
}

function identityOf(header: RpmIdentity | undefined): string {
  if (header === undefined || header.name === '') return 'not an RPM that can be read';
  const nevra = `${header.name}-${formatEvra(header)}`;
  return header.source ? `the source package of ${nevra}` : nevra;
}
