import { open } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plainDigest, sparseDigest } from '../../src/images/plain-digest.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

test('the digest of a sparse file is that of all its bytes, wherever its data lies', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'sparse');
  const piece = fc.record({ at: fc.nat(9_000_000), text: fc.string({ minLength: 1, maxLength: 200_000 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 4 }),
      fc.integer({ min: 1, max: 12_000_000 }),
      async (pieces, size) => {
        const file = await open(path, 'w');
        for (const { at, text } of pieces) await file.write(text, at);
        await file.truncate(size);
        await file.close();
        const digest = await sparseDigest(path, testTask(folder));
        expect(digest).toEqual(await plainDigest(path));
        expect((await run('sha256sum', [path])).stdout.slice(0, 64)).toBe(digest.uncompressedSha256);
      },
    ),
    { numRuns: 15 },
  );
});
