import {
  asArray,
  asString,
  decodeVariant,
  encodeVariant,
  swap64,
  type Variant,
  type VariantValue,
  variantMap,
} from '../ostree/gvariant.ts';
import { type CommitInfo, checksumOf } from '../ostree/objects.ts';
import { isRef } from '../ostree/ref.ts';

/**
 * The summary of a repository: its refs with their commits, and metadata about the whole (ostree-core.h,
 * `OSTREE_SUMMARY_GVARIANT_FORMAT`). It is made here, from what the target has and nothing else, so that refs of the
 * local repository stay out and what other tools wrote into it (static deltas, collection ids) stays in.
 */
const FORMAT = '(a(s(taya{sv}))a{sv})';

export interface Summary {
  /** Keyed by ref; the value as the format has it: size of the commit object, checksum, metadata. */
  readonly refs: ReadonlyMap<string, VariantValue>;
  readonly metadata: ReadonlyMap<string, Variant>;
}

/** Takes a summary apart. @throws Error when it is not one. */
export function parseSummary(summary: Uint8Array): Summary {
  const [refs, metadata] = asArray(decodeVariant(FORMAT, summary));
  const entries = asArray(refs).map((entry): [string, VariantValue] => {
    const [ref, commit] = asArray(entry);
    const name = asString(ref);
    // Every client would refuse the whole summary.
    if (!isRef(name)) throw new Error(`It names a ref that ostree takes none of: ${JSON.stringify(name)}.`);
    return [name, commit ?? null];
  });
  return { refs: new Map(entries), metadata: variantMap(metadata ?? null) };
}

/** Refs and their commits as a summary names them. @throws Error when it is not a summary. */
export function summaryRefs(summary: Uint8Array): Map<string, string> {
  const refs = [...parseSummary(summary).refs];
  return new Map(refs.map(([ref, commit]) => [ref, checksumOf(asArray(commit)[1])]));
}

/** Returns the collection id of the repository that a summary is of. @throws Error when it is not a summary. */
export function summaryCollection(summary: Uint8Array): string | undefined {
  const id = parseSummary(summary).metadata.get('ostree.summary.collection-id');
  return typeof id?.value === 'string' && id.value !== '' ? id.value : undefined;
}

export interface MovedRefs {
  /** Refs that are to name the commit: one, and its aliases. */
  readonly refs: readonly string[];
  readonly commit: CommitInfo;
  /** Size of the commit object in bytes. */
  readonly size: number;
}

/**
 * Returns the summary that follows `old`, with some refs set, as `ostree summary --update` writes it.
 * @param now seconds since the epoch; the time it gets is never before the old one's.
 */
export function summaryWith(
  old: Uint8Array | undefined,
  { refs: moved, commit, size }: MovedRefs,
  now: number,
): Uint8Array {
  const before: Summary = old ? parseSummary(old) : { refs: new Map(), metadata: new Map() };
  const refs = new Map(before.refs);
  const version: Variant | undefined = commit.version === undefined ? undefined : { type: 's', value: commit.version };
  const entry: VariantValue = [
    // Of all numbers here the only one that ostree writes in the machine's byte order.
    BigInt(size),
    Buffer.from(commit.checksum, 'hex'),
    dictionary([
      ['ostree.commit.version', version],
      ['ostree.commit.timestamp', { type: 't', value: swap64(BigInt(commit.timestamp)) }],
    ]),
  ];
  for (const ref of moved) refs.set(ref, entry);
  const metadata = new Map<string, Variant | undefined>([
    ['ostree.summary.mode', { type: 's', value: 'archive-z2' }],
    ['ostree.summary.last-modified', { type: 't', value: swap64(laterThan(before, now)) }],
    ['ostree.summary.tombstone-commits', { type: 'b', value: true }],
    ['ostree.summary.indexed-deltas', { type: 'b', value: true }],
  ]);
  for (const [key, value] of before.metadata) {
    if (key !== 'ostree.summary.last-modified') metadata.set(key, value);
  }
  // Clients search refs by halving: they must be sorted by their bytes.
  const sorted = [...refs].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return encodeVariant(FORMAT, [sorted, dictionary([...metadata])]);
}

function laterThan({ metadata }: Summary, now: number): bigint {
  const before = metadata.get('ostree.summary.last-modified');
  const seconds = before?.type === 't' && typeof before.value === 'bigint' ? swap64(before.value) : 0n;
  return seconds > BigInt(now) ? seconds : BigInt(now);
}

function dictionary(entries: readonly (readonly [string, Variant | undefined])[]): VariantValue {
  return entries.flatMap(([key, value]): VariantValue[] => (value ? [[key, value]] : []));
}
