import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** An rsync that can stand at the far end: its program, and the script that restricts accounts to it. */
export interface FarRsync {
  /** `installed`, or the version of Debian's package. */
  readonly version: string;
  readonly program: string;
  readonly rrsync: string;
}

/** Where `scripts/bootstrap.sh --tests` unpacks what else the package lists have. */
const OTHERS = '/var/cache/atomic-nightly-tests/rsync';

/** The one that is installed, and others that hosts out there may have. */
export function farRsyncs(): FarRsync[] {
  const others = existsSync(OTHERS) ? readdirSync(OTHERS).sort() : [];
  return [
    { version: 'installed', program: 'rsync', rrsync: 'rrsync' },
    ...others.map((version) => {
      const at = (name: string): string => join(OTHERS, version, 'usr/bin', name);
      return { version, program: at('rsync'), rrsync: at('rrsync') };
    }),
  ];
}

/** Its rrsync, made to run its own rsync instead of the installed one. */
export async function ownRrsync({ program, rrsync }: FarRsync, dir: string): Promise<string> {
  if (program === 'rsync') return rrsync;
  const script = await readFile(rrsync, 'utf8');
  const own = script.replace(/^RSYNC = .*$/m, `RSYNC = '${program}'`);
  if (own === script) throw new Error(`${rrsync} does not say which rsync it runs.`);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'rrsync'), own);
  await chmod(join(dir, 'rrsync'), 0o755);
  return join(dir, 'rrsync');
}
