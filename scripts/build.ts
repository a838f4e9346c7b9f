import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { z } from 'zod';

// "npm run build": the program in dist/. Loading its six hundred modules one by one took longer than most commands do, so
// each command is one file, with what several share in dist/chunks/. Types are checked by "npm run check".

/**
 * Packages that nearly every command needs, of more than two hundred modules: they are taken into dist/, which takes a sixth off
 * the time until a command begins. All others stay where npm puts them, as do the licences of these.
 */
const WITHIN = new Set(['commander', 'yaml', 'zod']);
const { dependencies } = z
  .object({ dependencies: z.record(z.string(), z.string()) })
  .parse(JSON.parse(await readFile('package.json', 'utf8')));
const outside = Object.keys(dependencies).filter((name) => !WITHIN.has(name));

const { metafile } = await build({
  entryPoints: ['src/cli/main.ts', 'src/cli/write-catalog.ts', 'src/service/listener/listener-main.ts'],
  outdir: 'dist',
  outbase: 'src',
  // Two folders below the project's, as in src/base/shipped.ts.
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  external: outside.flatMap((name) => [name, `${name}/*`]),
  format: 'esm',
  // Two of those packages are CommonJS, and call it for modules of Node itself.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
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
