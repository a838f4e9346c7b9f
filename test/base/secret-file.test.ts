import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { asNightlyError } from '../../src/base/as-nightly-error.ts';
import { bytesIfThere, readNamed, readRegular, textIfThere } from '../../src/base/files.ts';
import { makeSecretFile } from '../../src/base/secret-file.ts';
import { makeLogKey } from '../../src/signing/log-key.ts';
import { temporaryFolder } from '../support/tmp.ts';

test('a new secret is for its owner alone, in a folder that is made for it; one that is there stays', async () => {
  const path = join(temporaryFolder(), 'etc/atomic-nightly/key');
  expect(await makeSecretFile(path, 'first')).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await makeSecretFile(path, 'second')).toBe(false);
  expect(readFileSync(path, 'utf8')).toBe('first');
  // As docs/release-log.md names it, on a machine that has no such folder yet.
  expect(await makeLogKey(join(temporaryFolder(), 'etc/atomic-nightly/log.key'), 'example.org/log')).toBe(true);
});

test('a folder in the place of a file is named by the message that says to look at it', async () => {
  const folder = join(temporaryFolder(), 'state.json');
  mkdirSync(folder);
  for (const read of [readRegular, bytesIfThere, readNamed, async (path: string) => textIfThere(path)]) {
    const error = asNightlyError(await read(folder).catch((caught: unknown) => caught));
    expect(error).toMatchObject({ code: 'record', message: expect.stringContaining(`'${folder}'`) });
  }
  const file = join(folder, 'file');
  writeFileSync(file, '');
  expect(asNightlyError(await readRegular(join(file, 'x')).catch((caught: unknown) => caught)).message).toContain(file);
});
