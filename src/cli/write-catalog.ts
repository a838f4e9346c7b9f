import { writeFileSync } from 'node:fs';
import { BUILT_CATALOG, loadEntries } from './catalog.ts';

// Run by "npm run build" in dist/cli. By the sources: dist/ may still have a command that is there no more.
const entries = await loadEntries(new URL('../../src/cli/commands/', import.meta.url));
writeFileSync(BUILT_CATALOG, JSON.stringify(entries));
