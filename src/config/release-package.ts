import { resolve } from 'node:path';
import { z } from 'zod';
import type { KeyPath } from '../base/yaml/yaml-places.ts';
import type { ReleasePackageConfig } from './config.ts';
import { filePath } from './values.ts';

/** The `release-package` block of a stream. */
export const releasePackageSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][\w.+-]*$/, 'must be the name of an RPM package')
      .describe('Name of the RPM; each stream has its own.'),
    version: z
      .string()
      .regex(/^[A-Za-z0-9][\w.+~^]*$/, 'must be the version of an RPM package, without "-"')
      .describe('Its version, as in "9"; the release is counted.'),
    repository: filePath.describe('Folder of the RPM repository it is put into; made when missing.'),
    templates: filePath
      .optional()
      .describe('Folder with package.spec.hbs, remote.conf.hbs and further files of your own.'),
  })
  .describe('The RPM that users have, with the OSTree remote of this stream and its public key.');

type Raw = z.output<typeof releasePackageSchema>;

/** The block as the program uses it. */
export function normaliseReleasePackage(raw: Raw, folder: string): ReleasePackageConfig {
  const { name, version, repository, templates } = raw;
  return {
    ...{ name, version, repository: resolve(folder, repository) },
    ...(templates === undefined ? {} : { templates: resolve(folder, templates) }),
  };
}

interface Written {
  readonly 'release-package'?: Raw | undefined;
  readonly signing?: unknown;
}

/**
 * What is wrong with the packages of several streams taken together: one name for two of them, or one repository that two
 * keys would sign in turn. Paths are relative to the file.
 */
export function checkReleasePackages(
  streams: Readonly<Record<string, Written>>,
  folder: string,
): { path: KeyPath; message: string }[] {
  const breaches: { path: KeyPath; message: string }[] = [];
  const names = new Map<string, string>();
  const repositories = new Map<string, { readonly stream: string; readonly signing: string }>();
  for (const [stream, { 'release-package': raw, signing }] of Object.entries(streams)) {
    if (raw === undefined) continue;
    const path = ['streams', stream, 'release-package'];
    const other = names.get(raw.name);
    names.set(raw.name, other ?? stream);
    if (other !== undefined) {
      breaches.push({
        path: [...path, 'name'],
        message: `is that of stream "${other}"; each stream needs a name of its own, as in ${raw.name}-${stream}.`,
      });
    }
    const place = resolve(folder, raw.repository);
    const mine = { stream, signing: JSON.stringify(signing) };
    const shared = repositories.get(place) ?? mine;
    repositories.set(place, shared);
    if (shared.signing !== mine.signing) {
      breaches.push({
        path: [...path, 'repository'],
        message: `is that of stream "${shared.stream}", which signs with another key; give each a repository of its own.`,
      });
    }
  }
  return breaches;
}
