import { basename } from 'node:path';
import { capital, formatBytes } from '../../base/format.ts';
import { advisoriesSince } from '../../build/advisories-since.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import type { StoredBuild } from '../../build/build-store.ts';
import { readCommit } from '../../ostree/objects.ts';
import { byUrgency, summarizeAdvisories } from '../../rpm/fixed-advisories.ts';
import { type PackageDiff, packageDiff, partNames, summarizeDiff } from '../../rpm/pkgdiff.ts';
import { dayOf, readKeyInfo } from '../../signing/key-info.ts';

/** What the notes and the announcement of a release can say: the values of their templates. */
export interface ReleaseFacts {
  readonly product: string;
  /** The build id. */
  readonly version: string;
  /** UTC day, as in 2026-11-21. */
  readonly date: string;
  readonly arch: string;
  readonly ref: string;
  readonly commit: string;
  /** Build id of the night it was made from. */
  readonly night: string;
  readonly upstream: string;
  readonly reason: string;
  /** The release before it in the same stream; empty for the first. */
  readonly previous: { readonly version: string; readonly date: string } | '';
  /** Summary of the package changes, as in `3 upgraded, 1 added`. */
  readonly summary: string;
  /** What changed: `Package`, `Component`, `Package or component`. */
  readonly part: string;
  /** Sorted by name; a package that is new has no `from`, one that went no `to`. */
  readonly packages: readonly { readonly name: string; readonly from: string; readonly to: string }[];
  /** How many advisories these changes bring, as in `security: 3 important; bugfix: 2`; empty where none is known. */
  readonly advisorySummary: string;
  /** The most urgent first. Severities are empty where the repository has none. */
  readonly advisories: readonly {
    readonly id: string;
    readonly type: string;
    readonly severity: string;
    readonly title: string;
    readonly cves: string;
    readonly packages: string;
  }[];
  readonly images: readonly {
    readonly type: string;
    readonly file: string;
    readonly url: string;
    readonly size: string;
    readonly sha256: string;
  }[];
  /** What clients configure. */
  readonly remote: { readonly name: string; readonly url: string };
  /** The release package in the tree, which has that remote and its key; empty where the stream has none. */
  readonly remotePackage: { readonly file: string; readonly url: string } | '';
  /** URL of the build's folder. */
  readonly folder: string;
  readonly keyUrl: string;
  readonly keyFile: string;
  readonly keys: readonly { readonly fingerprint: string; readonly userId: string }[];
  /** What checks downloads against the release log; empty where none is kept beside the images. */
  readonly verifier: VerifierFacts | '';
  /** Markdown of the project's own; empty when there are none. */
  readonly knownIssues: string;
}

/** The script for users (docs/verify-releases.md), as a release names it under its own signature. */
export interface VerifierFacts {
  readonly file: string;
  readonly url: string;
  readonly sha256: string;
  /** Public key of the log in its text form. */
  readonly logKey: string;
  /** URL of the proof for the build's SHA256SUMS. */
  readonly proofUrl: string;
}

export interface FactsRequest {
  readonly product: string;
  readonly meta: BuildMeta;
  readonly repo: string;
  readonly previous: StoredBuild | undefined;
  /** Records of all builds that are known. */
  readonly builds: readonly BuildMeta[];
  readonly releasedAt: Date;
  readonly remote: ReleaseFacts['remote'];
  /** URL of the release package. */
  readonly packageUrl: string | undefined;
  readonly folder: string;
  readonly keyUrl: string;
  /** Public keys, binary. */
  readonly publicKey: Uint8Array;
  readonly verifier: VerifierFacts | undefined;
  readonly knownIssues: string;
}

/** Gathers what a release says of itself. The package changes are those since the release before, whatever was promoted in between. */
export async function releaseFacts(request: FactsRequest): Promise<ReleaseFacts> {
  const {
    product,
    meta,
    repo,
    previous,
    builds,
    releasedAt,
    remote,
    packageUrl,
    folder,
    keyUrl,
    publicKey,
    knownIssues,
    verifier,
  } = request;
  const commit = meta.ostreeCommit ?? '';
  const promotion = meta.promotion;
  const changes = await changesSince(repo, previous?.meta.ostreeCommit, commit);
  const { advisories } = advisoriesSince({ build: meta, since: previous?.meta, diff: changes }, builds);
  const keys = await readKeyInfo(publicKey, 'the public key of the release');
  return {
    product,
    version: meta.buildid,
    date: dayOf(releasedAt),
    arch: meta.basearch,
    ref: meta.ref,
    commit,
    night: promotion?.of ?? meta.buildid,
    upstream: promotion?.upstream ?? '',
    reason: promotion?.reason ?? '',
    previous: previous ? { version: previous.meta.buildid, date: dayOf(new Date(previous.meta.release?.at ?? 0)) } : '',
    summary: summarizeDiff(changes),
    part: capital(partNames(changes).one),
    packages: previous ? changes.map(packageLine) : [],
    advisorySummary: summarizeAdvisories(advisories) ?? '',
    advisories: byUrgency(advisories).map(({ id, type, severity = '', title, cves, packages }) => ({
      ...{ id, type, severity, title, cves: cves.join(', ') },
      packages: packages.map(({ name }) => name).join(', '),
    })),
    images: Object.entries(meta.images ?? {}).map(([type, { path, size, sha256 }]) => ({
      type,
      file: basename(path),
      url: `${folder}/${path}`,
      size: formatBytes(size),
      sha256,
    })),
    remote,
    remotePackage: packageUrl === undefined ? '' : { url: packageUrl, file: basename(packageUrl) },
    folder,
    keyUrl,
    keyFile: basename(keyUrl),
    keys: keys.map(({ fingerprint, userId }) => ({ fingerprint, userId })),
    verifier: verifier ?? '',
    knownIssues: knownIssues.trim(),
  };
}

async function changesSince(repo: string, before: string | undefined, commit: string): Promise<PackageDiff> {
  const packagesOf = async (one: string) => (await readCommit(repo, one)).packages ?? [];
  return packageDiff(before === undefined ? [] : await packagesOf(before), await packagesOf(commit));
}

function packageLine([name, , { PreviousPackage: from, NewPackage: to }]: PackageDiff[number]) {
  return { name, from: from?.[1] ?? '', to: to?.[1] ?? '' };
}
