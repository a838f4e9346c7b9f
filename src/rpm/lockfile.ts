import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { isErrno, readRegular, writeJson } from '../base/files.ts';
import { keyTwice } from '../base/json-keys.ts';
import { reasons } from '../base/read-record.ts';
import { parseEvra } from './evr.ts';
import { isDigest, isPackageName, isRepoId } from './rpm-names.ts';

/**
 * A lockfile in rpm-ostree's format (docs/treefile.md and `rpm-ostree compose tree --ex-write-lockfile-to`), so that
 * either engine can build from the other's.
 */
export interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
  readonly metadata?: {
    /** RFC 3339. */
    readonly generated?: string | undefined;
    readonly rpmmd_repos?: Readonly<Record<string, { readonly generated: string }>> | undefined;
  };
}

export interface LockedPackage {
  /** `[epoch:]version-release.arch` */
  readonly evra: string;
  /** `sha256:<hex>` of the RPM file, or with sha384 or sha512, as repository metadata has it. */
  readonly digest?: string | undefined;
}

/** One entry of `rpmostree.rpmdb.pkglist`; epoch is a number in a string, "0" when there is none. */
export interface PackageId {
  readonly name: string;
  readonly epoch: string;
  readonly version: string;
  readonly release: string;
  readonly arch: string;
}

/** A locked package with its key in the lockfile. */
export interface LockedEntry extends LockedPackage {
  /** The package's name; `NAME.ARCH` for a further architecture of a package that is locked as `NAME` too. */
  readonly key: string;
  readonly name: string;
}

/**
 * Lists the locked packages. rpm-ostree's format has one package of a name. Where a tree has two architectures of a library,
 * the second is locked as `NAME.ARCH`; a package that is itself called so has no other beside it whose name is the rest.
 */
export function lockedEntries({ packages }: Lockfile): LockedEntry[] {
  return Object.entries(packages).map(([key, locked]) => {
    const suffix = locked.evra.slice(locked.evra.lastIndexOf('.'));
    const rest = key.slice(0, -suffix.length);
    const isFurther = key.endsWith(suffix) && Object.hasOwn(packages, rest);
    return { key, name: isFurther ? rest : key, ...locked };
  });
}

/** Locks packages, of which several of one name differ in architecture: the first of these gets the plain name. */
export function lockPackages(
  found: readonly (LockedPackage & { readonly name: string })[],
): Record<string, LockedPackage> {
  const packages: Record<string, LockedPackage> = {};
  const arch = ({ evra }: LockedPackage): string => evra.slice(evra.lastIndexOf('.') + 1);
  // The longer ones (x86_64, noarch, aarch64) are a host's own: the compatible ones are i686, s390 and their kind.
  const ordered = found.toSorted((a, b) => arch(b).length - arch(a).length || (arch(a) < arch(b) ? -1 : 1));
  for (const one of ordered) {
    const { name, evra, digest } = one;
    const key = Object.hasOwn(packages, name) ? `${name}.${arch(one)}` : name;
    packages[key] = { evra, digest };
  }
  return packages;
}

// Unknown fields are let through: rpm-ostree adds some from time to time, and all that counts here is what is locked.
const lockfileSchema = z.object({
  packages: z.record(
    z.string().refine(isPackageName, 'is not a package name'),
    z.union([
      z.object({
        evra: z.string().refine((text) => parseEvra(text) !== undefined, 'must be [epoch:]version-release.arch'),
        digest: z
          .string()
          .refine(isDigest, 'must be sha256:, sha384: or sha512: and the hex digits of such a checksum')
          .optional(),
      }),
      // The form people write by hand for overrides: the architecture is the build's.
      z.object({ evr: z.string() }),
    ]),
  ),
  metadata: z
    .object({
      generated: z.string().optional(),
      rpmmd_repos: z
        .record(z.string().refine(isRepoId, 'is not a repository id'), z.object({ generated: z.string() }))
        .optional(),
    })
    .optional(),
});

/**
 * Reads a lockfile.
 * @throws NightlyError `not-found`, `usage` when it is not one, naming each fault.
 */
export async function readLockfile(path: string): Promise<Lockfile> {
  let text: string;
  try {
    text = (await readRegular(path)).toString('utf8');
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    throw new NightlyError('not-found', `There is no lockfile ${path}.`, { cause: error });
  }
  return parseLockfile(text, path);
}

/** Parses the text of a lockfile; `path` is for messages. @throws NightlyError `usage`, naming each fault. */
export function parseLockfile(text: string, path: string): Lockfile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new NightlyError('usage', `The lockfile ${path} is not JSON: ${why}.`, { cause: error });
  }
  const twice = keyTwice(text, json);
  if (twice !== undefined) {
    throw new NightlyError('usage', `The lockfile ${path} has the key ${JSON.stringify(twice)} twice.`, {
      hint: 'Leave one: rpm-ostree and atomic-nightly would not take the same.',
      place: { file: path },
    });
  }
  const parsed = lockfileSchema.safeParse(json);
  if (!parsed.success) {
    throw new NightlyError('usage', `${path} is not an rpm-ostree lockfile: ${reasons(parsed.error)}.`);
  }
  const packages: Record<string, LockedPackage> = {};
  for (const [name, entry] of Object.entries(parsed.data.packages)) {
    if ('evr' in entry) {
      throw new NightlyError('usage', `${path} locks ${name} without an architecture ("evr" in place of "evra").`, {
        hint: `Write "evra": "${entry.evr}.x86_64" (or noarch) for ${name}.`,
        place: { file: path },
      });
    }
    packages[name] = { evra: entry.evra, digest: entry.digest };
  }
  const { metadata } = parsed.data;
  if (!metadata) return { packages };
  return {
    packages,
    metadata: {
      generated: metadata.generated,
      rpmmd_repos: metadata.rpmmd_repos,
    },
  };
}

/** Writes a lockfile with its packages sorted by name, whole or not at all. */
export async function writeLockfile(path: string, lockfile: Lockfile): Promise<void> {
  const names = Object.keys(lockfile.packages).sort();
  const packages = Object.fromEntries(names.map((name) => [name, lockfile.packages[name]]));
  await writeJson(path, { ...lockfile, packages });
}

/** Whether two lockfiles lock the same packages with the same content; when and from where they came does not count. */
export function sameLockfile(a: Lockfile, b: Lockfile): boolean {
  const names = Object.keys(a.packages);
  return (
    names.length === Object.keys(b.packages).length &&
    names.every((name) => {
      const one = a.packages[name];
      const other = b.packages[name];
      return other !== undefined && one?.evra === other.evra && one.digest === other.digest;
    })
  );
}
