#!/usr/bin/env node
import { existsSync } from 'node:fs';

const program = new URL('../dist/cli/main.js', import.meta.url);
if (!existsSync(program)) {
  console.error('error: atomic-nightly is not built yet.\n  what to do: run "npm run bootstrap" in the checkout.');
  process.exit(1);
}
await import(program.href);
