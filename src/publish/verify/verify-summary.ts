import { asArray, asBytes, asString, swap64, type Variant, variantMap } from '../../ostree/gvariant.ts';
import { parseSummary } from '../summary.ts';

/** What a summary says of one ref. */
export interface ListedRef {
  readonly commit: string;
  readonly version?: string | undefined;
  /** Seconds since the epoch. */
  readonly timestamp?: number;
}

export interface ListedRefs {
  readonly refs: ReadonlyMap<string, ListedRef>;
  readonly collectionId?: string | undefined;
}

/** Returns what a summary says of its refs. @throws Error when it is not one. */
export function listedRefs(summary: Uint8Array): ListedRefs {
  const { refs: entries, metadata: whole } = parseSummary(summary);
  const refs = [...entries].map(([ref, value]): [string, ListedRef] => {
    const [, commit, metadata] = asArray(value);
    const about = variantMap(metadata ?? null);
    const version = text(about.get('ostree.commit.version'));
    const timestamp = about.get('ostree.commit.timestamp');
    return [
      ref,
      {
        commit: Buffer.from(asBytes(commit)).toString('hex'),
        version,
        ...(typeof timestamp?.value === 'bigint' ? { timestamp: Number(swap64(timestamp.value)) } : {}),
      },
    ];
  });
  const collectionId = text(whole.get('ostree.summary.collection-id'));
  return { refs: new Map(refs), collectionId };
}

function text(variant: Variant | undefined): string | undefined {
  return variant?.type === 's' ? asString(variant.value) : undefined;
}
