import { z } from 'zod';
import { block, type Here } from './block.ts';
import type { Breach } from './breach.ts';
import { filePath } from './values.ts';

/** Makes the schema of the `release-package` block of a stream. */
export const releasePackageSchema = (here: Here) =>
  block({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][\w.+-]*$/, 'must be the name of an RPM package')
      .describe('Name of the RPM; each stream has its own.'),
    version: z
      .string()
      .regex(/^[A-Za-z0-9][\w.+~^]*$/, 'must be the version of an RPM package, without "-"')
      .describe('Its version, as in "9"; the release is counted.'),
    repository: filePath(here).describe('Folder of the RPM repository it is put into; made when missing.'),
    templates: filePath(here)
      .optional()
      .describe('Folder with package.spec.hbs, remote.conf.hbs and further files of your own.'),
    'verify-upgrades': z
      .boolean()
      .default(false)
      .describe(
        'Also package whom to trust of the release log, and a unit that upgrades hosts to what it has alone; needs the block log.',
      ),
  }).describe('The RPM that users have, with the OSTree remote of this stream and its public key.');

export type ReleasePackageConfig = z.output<ReturnType<typeof releasePackageSchema>>;

interface Stream {
  readonly releasePackage?: ReleasePackageConfig;
  readonly signing?: unknown;
}

/**
 * Returns what is wrong with the packages of several streams taken together: one name for two of them, one repository that two keys
 * would sign in turn, or upgrades verified by a log that there is not.
 */
export function checkReleasePackages(streams: Readonly<Record<string, Stream>>, keepsLog: boolean): Breach[] {
  const breaches: Breach[] = [];
  const names = new Map<string, string>();
  const repositories = new Map<string, { readonly stream: string; readonly signing: string }>();
  for (const [stream, { releasePackage, signing }] of Object.entries(streams)) {
    if (releasePackage === undefined) continue;
    const { name, repository } = releasePackage;
    const path = ['streams', stream, 'release-package'];
    if (releasePackage.verifyUpgrades && !keepsLog) {
      breaches.push({ path: [...path, 'verify-upgrades'], message: 'needs a log, by which upgrades are verified.' });
    }
    const other = names.get(name);
    names.set(name, other ?? stream);
    if (other !== undefined) {
      breaches.push({
        path: [...path, 'name'],
        message: `is that of stream "${other}"; each stream needs a name of its own, as in ${name}-${stream}.`,
      });
    }
    const mine = { stream, signing: JSON.stringify(signing) };
    const shared = repositories.get(repository) ?? mine;
    repositories.set(repository, shared);
    if (shared.signing !== mine.signing) {
      breaches.push({
        path: [...path, 'repository'],
        message: `is that of stream "${shared.stream}", which signs with another key; give each a repository of its own.`,
      });
    }
  }
  return breaches;
}

/** Returns the lines of the commented template about the block. @param name of the distribution */
export const releasePackageTemplate = (name: string): string => `
    # The RPM with this stream's OSTree remote and public key, made by "release-package" (docs/release-package.md). With it, the
    # tree must have that package.
    # release-package: {name: ${name}-remote-nightly, version: '1', repository: ./rpms}
`;
