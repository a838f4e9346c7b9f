import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type LabState, readState, writeState } from '../../src/lab/lab-state.ts';
import { temporaryFolder } from '../support/tmp.ts';

const STATE: LabState = {
  ...{ format: 1, publicUrl: 'http://127.0.0.1:1', packages: ['bash'], debs: [], updates: { bash: 1 }, removed: [] },
  resolved: { key: 'k', debs: [{ name: 'bash', version: '1', url: 'u', file: 'f', size: 1, hash: 'MD5Sum:x' }] },
};

it('is read as it was written; none is no fault', async () => {
  const dir = temporaryFolder();
  expect(await readState(dir)).toBeUndefined();
  await writeState(dir, STATE);
  expect(await readState(dir)).toEqual(STATE);
});

it.each(['', '{', 'null', '{"format": 0}', JSON.stringify({ ...STATE, updates: { bash: '1' } })])(
  'one that holds %j is named',
  async (text) => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, 'lab.json'), text);
    const message = expect.stringMatching(/lab\.json is damaged/);
    await expect(readState(dir)).rejects.toMatchObject({ code: 'record', message });
  },
);

it('one of a later version is not called damaged', async () => {
  const dir = temporaryFolder();
  writeFileSync(join(dir, 'lab.json'), '{"format": 2}');
  await expect(readState(dir)).rejects.toThrow(/lab\.json was written by a newer atomic-nightly: format 2/);
});
