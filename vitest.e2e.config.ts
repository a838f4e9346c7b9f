import { defineConfig } from 'vitest/config';
import { ClosingLine } from './test/support/closing-line.ts';

export default defineConfig({
  test: {
    globalSetup: './test/support/global-setup.ts',
    include: [
      'test/e2e/**/*.test.ts',
      'test/pipelines/kill.test.ts',
      'test/engines/dnf/hostile-tree.test.ts',
      'test/fuzz/*.test.ts',
    ],
    env: { KILL_MOMENTS: 'all', HOSTILE_KINDS: 'all', FUZZ_RUNS: '100000' },
    // Whole nightlies on real packages, and virtual machines under software emulation.
    testTimeout: 2_400_000,
    hookTimeout: 2_400_000,
    fileParallelism: false,
    reporters: ['default', new ClosingLine()],
  },
});
