import { z } from 'zod';
import type { RecordFormat } from '../../src/base/read-record.ts';

/** JSON of any shape, where only that is looked at how it comes to a target. */
export function anyRecord<Json>(path: string): { readonly path: string; readonly format: RecordFormat<Json> } {
  const format = {
    schema: z.unknown(),
    hint: '',
    decode: (json: unknown) => json as Json,
    encode: (json: Json) => Object(json),
  };
  return { path, format };
}
