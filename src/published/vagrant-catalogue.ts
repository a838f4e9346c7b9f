import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { type RecordOf, recordFormat } from '../base/read-record.ts';
import { VAGRANT_PROVIDERS } from '../images/image-format.ts';

const provider = z.looseObject({
  name: z.enum(VAGRANT_PROVIDERS),
  /** Where the box file is; Vagrant takes absolute URLs only. */
  url: z.url(),
  /** Lower-case hex. */
  checksum: z.string().regex(/^[0-9a-f]{64}$/),
  checksum_type: z.literal('sha256'),
  /** Such as `amd64`. Vagrant compares it with the host's from 2.4 on; older ones do not read it. */
  architecture: z.string().exactOptional(),
});

/** Returns the path of the catalogue of a Vagrant box. */
export function boxesPath(box: string): string {
  return `vagrant/${box}.json`;
}

/** `vagrant/<box>.json`. Fields that are not known here are kept. */
export const BOX_CATALOGUE = recordFormat({
  schema: z.looseObject({
    name: z.string(),
    description: z.string(),
    versions: z.array(z.looseObject({ version: z.string().regex(/^\d{8}\.\d+$/), providers: z.array(provider) })),
  }),
  hint: 'Move the file away; the next publish starts a new catalogue.',
});

/** One box file of a version. */
export type BoxProvider = BoxCatalogue['versions'][number]['providers'][number];

/**
 * What `vagrant box add URL` reads: the boxes of one name, each version's for every provider, newest version first.
 * Format: https://developer.hashicorp.com/vagrant/docs/boxes/format#box-catalog-metadata (Vagrant 1.5 and later).
 */
export type BoxCatalogue = RecordOf<typeof BOX_CATALOGUE>;

export interface BoxRelease {
  /** Name of the box, as in `vagrant init NAME`. */
  readonly name: string;
  readonly description: string;
  readonly buildId: string;
  readonly providers: readonly BoxProvider[];
}

/**
 * Returns the catalogue with that build's boxes in it. Of a version that is there already, boxes of the same providers
 * are replaced: another machine may have made the others. Without a catalogue a new one begins.
 * @throws NightlyError `bug` when the id is not a build id.
 */
export function withBoxVersion(before: BoxCatalogue | undefined, release: BoxRelease): BoxCatalogue {
  const { name, description, buildId } = release;
  const version = boxVersion(buildId);
  const others = (before?.versions ?? []).filter((entry) => entry.version !== version);
  const made = new Map(
    before?.versions.find((entry) => entry.version === version)?.providers.map((one) => [one.name, one]),
  );
  for (const provider of release.providers) made.set(provider.name, provider);
  const providers = [...made.values()].toSorted((a, b) => a.name.localeCompare(b.name, 'en'));
  const versions = [...others, { version, providers }];
  return { ...before, name, description, versions: versions.sort((a, b) => compareVersions(b.version, a.version)) };
}

/**
 * Returns the catalogue without those builds; the same one if it has none of them.
 * @throws NightlyError `bug` when one of the ids is no build id.
 */
export function withoutBoxVersions(before: BoxCatalogue, buildIds: readonly string[]): BoxCatalogue {
  const gone = new Set(buildIds.map(boxVersion));
  const versions = before.versions.filter(({ version }) => !gone.has(version));
  return versions.length === before.versions.length ? before : { ...before, versions };
}

/**
 * Returns a build id as a version that Vagrant (RubyGems' Gem::Version) takes and sorts as we do: 20261121_02 is
 * 20261121.2. The dot makes the count a number of its own, so .10 comes after .9; an underscore is not allowed in a
 * version.
 * @throws NightlyError `bug` when the text is not a build id.
 */
export function boxVersion(buildId: string): string {
  const [, day, count] = /^(\d{8})_(\d{2,})$/.exec(buildId) ?? [];
  if (!day || !count) throw new NightlyError('bug', `"${buildId}" is not a build id, so it has no box version.`);
  return `${day}.${Number(count)}`;
}

function compareVersions(a: string, b: string): number {
  const [dayOfA = 0, countOfA = 0] = a.split('.').map(Number);
  const [dayOfB = 0, countOfB = 0] = b.split('.').map(Number);
  return dayOfA - dayOfB || countOfA - countOfB;
}
