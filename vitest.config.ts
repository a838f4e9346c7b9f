import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { ClosingLine } from './test/support/closing-line.ts';

export default defineConfig({
  test: {
    globalSetup: './test/support/global-setup.ts',
    // Tests start real programs (ostree, rpm, rsync); the default 5 s is for in-process code.
    testTimeout: 240_000,
    // What a test waits for may take long on a busy machine; the test's own limit ends it.
    expect: { poll: { timeout: 120_000 } },
    hookTimeout: 120_000,
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'test/bench/**'],
    // One more than there are cores: many tests wait for servers, locks and limits.
    maxWorkers: availableParallelism() + 1,
    reporters: ['default', new ClosingLine()],
  },
});
