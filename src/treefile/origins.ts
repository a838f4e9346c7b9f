import type { SourcePlace } from '../base/errors.ts';
import { type Layer, unique } from './layer.ts';
import { keySpec } from './treefile-keys.ts';

/** The place of a value that no file says: the architecture, a variable of the caller. */
export const NOWHERE: SourcePlace = { file: '' };

/**
 * Key, and key with entry (`units/sshd.service`; `postprocess/0` where entries are told apart by their index), to the
 * place. Where several files say the same, the place is in the one nearest to the top.
 */
export function originsOf(layer: Layer): Map<string, SourcePlace> {
  const origins = new Map<string, SourcePlace>();
  const add = (name: string, place: SourcePlace): void => {
    if (place !== NOWHERE) origins.set(name, place);
  };
  for (const [key, part] of layer) {
    add(key, part.place);
    const { merge } = keySpec(key);
    if (merge === 'first') continue;
    const items = merge === 'list' ? part.items : unique(part.items);
    items.forEach(({ id, place }, index) => {
      add(`${key}/${id === '' ? index : id}`, place);
    });
  }
  return origins;
}
