import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface StandInSigner {
  readonly program: string;
  /** The arguments of each call so far, a line a call. */
  calls(): Promise<string[]>;
}

/**
 * A program in place of a signing server's client, which notes its arguments and then runs a piece of shell: what it is to
 * sign is on standard input, and in $INPUT.
 */
export async function standInSigner(dir: string, shell: string): Promise<StandInSigner> {
  const [program, log] = [join(dir, 'stand-in-signer'), join(dir, 'signer-calls')];
  const text = `#!/bin/sh\necho "$*" >> ${log}\nINPUT=${join(dir, 'signer-input')}\n${shell}\n`;
  await writeFile(program, text);
  await chmod(program, 0o755);
  return {
    program,
    async calls() {
      const found = await readFile(log, 'utf8').catch(() => '');
      return found.split('\n').slice(0, -1);
    },
  };
}
