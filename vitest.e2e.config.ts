import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { ClosingLine } from './test/support/closing-line.ts';

/** Tests of "npm test" that try only the most telling of their cases there. */
const filesWithMoreCases = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .map((path) => `test/${path}`)
  .filter((path) => path.endsWith('.test.ts') && readFileSync(path, 'utf8').includes('/every-case.ts'));

export default defineConfig({
  test: {
    globalSetup: './test/support/global-setup.ts',
    include: ['test/e2e/**/*.test.ts', ...filesWithMoreCases, 'test/fuzz/*.test.ts'],
    env: { EVERY_CASE: 'yes', FUZZ_RUNS: '100000' },
    // Whole nightlies on real packages, and virtual machines under software emulation.
    testTimeout: 2_400_000,
    // What a test waits for may take long on a busy machine; the test's own limit ends it.
    expect: { poll: { timeout: 600_000 } },
    hookTimeout: 2_400_000,
    fileParallelism: false,
    reporters: ['default', new ClosingLine()],
  },
});
