import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

// "npm run build": the program in dist/. Loading its six hundred modules one by one took longer than most commands do, so
// each command is one file, with what several share in dist/chunks/; packages stay where npm puts them. Types are checked by
// "npm run check".
const { metafile } = await build({
  entryPoints: ['src/cli/main.ts', 'src/cli/write-catalog.ts', 'src/service/listener/listener-main.ts'],
  outdir: 'dist',
  outbase: 'src',
  // Two folders below the project's, as in src/base/shipped.ts.
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
  target: 'node20.18',
  keepNames: true,
  sourcemap: true,
  metafile: true,
  logLevel: 'warning',
});

const beside = (await readdir('src', { recursive: true })).filter((name) => /\.(?:py|sh)$/.test(name));
for (const name of beside) await cp(join('src', name), join('dist', name));
// Afterwards: a program that runs meanwhile still finds what it has not loaded yet, for as long as this takes.
const kept = new Set([...Object.keys(metafile.outputs), ...beside.map((name) => join('dist', name))]);
for (const entry of await readdir('dist', { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (entry.isFile() && !kept.has(path) && !entry.name.startsWith('.')) await rm(path);
}
