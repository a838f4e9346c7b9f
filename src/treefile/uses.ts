import type { KeyUse } from './treefile.ts';
import type { Located, LocatedMap } from './treefile-document.ts';

/** Returns the keys of a treefile's map as written; those without a value say nothing and are left out. */
export function usesOf(map: LocatedMap): KeyUse[] {
  return [...map].flatMap(([key, { keyPlace, node }]) => {
    const { value } = node;
    if (value === null) return [];
    return [
      {
        key,
        place: keyPlace,
        kind: kindOfValue(value),
        ...(typeof value === 'string' || typeof value === 'number' ? { value: String(value) } : {}),
        valuePlace: node.place,
        ...(key === 'conditional-include' && Array.isArray(value) ? { inlined: value.some(hasInlined) } : {}),
      },
    ];
  });
}

function kindOfValue(value: Exclude<Located['value'], null>): KeyUse['kind'] {
  if (value instanceof Map) return 'map';
  if (Array.isArray(value)) return 'list';
  return typeof value === 'number' ? 'number' : 'other';
}

function hasInlined({ value }: Located): boolean {
  return value instanceof Map && value.get('include')?.node.value instanceof Map;
}
