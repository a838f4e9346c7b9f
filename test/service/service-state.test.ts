import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openState, serviceFolder } from '../../src/service/service-state.ts';
import { temporaryFolder } from '../support/tmp.ts';

test('a state that a newer version wrote is refused and left for it; a damaged one is set aside', async () => {
  const work = temporaryFolder();
  const folder = serviceFolder(work);
  mkdirSync(folder);
  const [path, newer] = [join(folder, 'state.json'), '{"format": 2, "moments": {}, "jobs": {}}'];
  const said: string[] = [];
  writeFileSync(path, newer);
  await expect(openState(work, (line) => said.push(line))).rejects.toThrow(
    'state.json was written by a newer atomic-nightly: format 2, this one reads up to 1.',
  );
  expect(readFileSync(path, 'utf8')).toBe(newer);
  expect(readdirSync(folder)).toEqual(['state.json']);

  writeFileSync(path, '{"moments": {}, "jobs": {}}');
  const { current } = await openState(work, (line) => said.push(line));
  expect(current()).toEqual({ moments: {}, jobs: [] });
  expect(said).toEqual([expect.stringMatching(/state\.json is damaged: .* set aside as /)]);
});
