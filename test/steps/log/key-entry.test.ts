import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { sha256 } from '../../../src/base/files.ts';
import { formatEntry, parseEntry } from '../../../src/published/log-entry.ts';
import { keyEntry } from '../../../src/steps/log/key-entry.ts';
import { makeFileKey } from '../../support/openpgp-key.ts';
import { temporaryFolder } from '../../support/tmp.ts';

it('the log has the key that is in force, and during a rotation those that come next', async () => {
  const dir = temporaryFolder();
  const [old, next] = [await makeFileKey(dir, { name: 'old' }), await makeFileKey(dir, { name: 'next' })];
  const [first, second] = [await readFile(old.publicFile), await readFile(next.publicFile)];
  expect(await keyEntry('nightly', first, first)).toMatchObject({ current: [old.fingerprint], next: [] });
  const both = Buffer.concat([first, second]);
  const entry = await keyEntry('nightly', both, first);
  expect(entry).toEqual({
    ...{ kind: 'key', use: 'openpgp', stream: 'nightly', current: [old.fingerprint], next: [next.fingerprint] },
    file: { path: 'get/nightly.gpg', sha256: sha256(both), size: both.length },
  });
  const [part = Buffer.alloc(0)] = formatEntry(entry);
  expect(parseEntry(part, { file: 'ENTRY' })).toEqual(entry);
});
