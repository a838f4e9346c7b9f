import { defineConfig } from 'vitest/config';

/** What "npm run test:node" runs: tests of code that depends on Node.js and on few other programs. It builds nothing. */
const FOLDERS = 'attest,base,build,config,content,koji,log,ostree,published,rpm,run,signing,treefile';

export default defineConfig({
  test: {
    include: [`test/{${FOLDERS}}/**/*.test.ts`],
    // On every kind of target, and so with an S3 server that "npm test" starts.
    exclude: ['test/published/hostile-target.test.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
  },
});
