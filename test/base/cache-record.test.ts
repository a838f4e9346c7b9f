import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { readCacheRecord } from '../../src/base/cache-record.ts';
import { DAMAGE } from '../support/damage.ts';
import { temporaryFolder } from '../support/tmp.ts';

const schema = z.record(z.string(), z.string());

it.each(DAMAGE)(
  'I15: a record of the cache that is %s counts as none, and makes room for a new one',
  async (how, spoil) => {
    const path = join(temporaryFolder(), 'checked-files.json');
    expect(await readCacheRecord(path, schema)).toBeUndefined();
    writeFileSync(path, '{"a": "b"}');
    expect(await readCacheRecord(path, schema)).toEqual({ a: 'b' });
    spoil(path);
    expect([how, await readCacheRecord(path, schema)]).toEqual([how, undefined]);
    expect(existsSync(path)).toBe(false);
  },
);
