import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from '../base/shipped.ts';
import { BUILT_CATALOG, loadEntries } from './catalog.ts';

// Run by "npm run build" in dist/cli. By the sources: dist/ may still have a command that is there no more.
const entries = await loadEntries(join(PROJECT, 'src/cli/commands'));
writeFileSync(BUILT_CATALOG, JSON.stringify(entries));
