import { z } from 'zod';
import { block, type Here } from './block.ts';
import type { Breach } from './breach.ts';
import { filePath } from './values.ts';

/** The `tests` key of a stream: the SIG's own tests. */
export const guestTestsSchema = (here: Here) =>
  block({
    dir: filePath(here).describe('Folder with executables, each a test, and their declarations: docs/tests.md.'),
    gate: z
      .boolean()
      .default(false)
      .describe(
        'Run them in each build after its smoke test: an image that fails one is not published, and the build is not called tested.',
      ),
    parallel: z.int().min(1).max(64).default(2).describe('Guests at once.'),
  }).describe("The SIG's own tests, run in guests that are booted from the images.");

/** Where a stream's own tests are, and whether they are a gate. */
type GuestTestsConfig = z.output<ReturnType<typeof guestTestsSchema>>;

interface Parts {
  readonly images: readonly string[];
  readonly smokeTest: unknown;
  readonly tests?: GuestTestsConfig;
}

/** Returns what is wrong with a stream's own tests. */
export function checkGuestTests({ images, smokeTest, tests }: Parts): Breach[] {
  if (tests === undefined) return [];
  const breaches: Breach[] = [];
  const add = (key: string, message: string) => breaches.push({ path: ['tests', key], message });
  if (images.length === 0) add('dir', 'boots images, but the stream has none.');
  if (tests.gate && smokeTest === false)
    add('gate', 'needs "smoke-test", which finds out first whether an image boots.');
  return breaches;
}

export const guestTestsTemplate = `
    # Tests of your own in guests (docs/tests.md). As a gate they run in each build after its smoke test.
    # tests: {dir: ./tests, gate: true, parallel: 2}
`;
