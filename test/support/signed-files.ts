import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { filesBelow } from '../../src/base/files.ts';
import { outsider } from './outsider.ts';
import type { World } from './world.ts';

/** Files of a target that no stream signs; and what is not whole yet, which no web server may read. */
const UNSIGNED =
  /^repo\/|^\.atomic-nightly\/|\.asc$|\/logs\/|journal\.ndjson$|^prune\.json$|retired\.json$|\.html$|^assets\/|^badge\/|^get\/|^search\/|^feed\.atom$|\.lock$/;

/** The published files that somebody with a public key finds signed, those that they do not, and signatures over nothing. */
export async function signedFiles(world: World, dir: string, publicKeyFile: string) {
  const gpg = await outsider(dir, publicKeyFile);
  const [good, bad]: [string[], string[]] = [[], []];
  const published = await filesBelow(world.published);
  for (const path of published.filter((one) => !UNSIGNED.test(one))) {
    const file = join(world.published, path);
    const isGood = existsSync(`${file}.asc`) && (await gpg('--verify', `${file}.asc`, file)).code === 0;
    (isGood ? good : bad).push(path);
  }
  const alone = published.filter(
    (path) => path.endsWith('.asc') && !path.endsWith('/key.asc') && !published.includes(path.slice(0, -4)),
  );
  return { good, bad, alone };
}
