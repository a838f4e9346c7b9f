import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';
import { makeWorld, type World } from './world.ts';

/**
 * Makes a world whose stream has statements signed with `statements.pem` in its folder; `statements.pub` is the public half.
 * @param more further keys of `statement`, as lines of the configuration
 */
export async function makeStatedWorld(
  dir: string,
  more: readonly string[] = [],
  images: readonly string[] = [],
): Promise<World> {
  const key = await newStatementKey(dir, 'statements');
  return makeWorld(dir, {
    images,
    stream: [
      'attestations:',
      '  statement:',
      '    builder: https://ci.example.org/atomic',
      ...more.map((line) => `    ${line}`),
      `    key: {type: key-file, key-file: ${key}}`,
    ],
  });
}

/** Makes a key as docs/attestations.md says: NAME.pem and NAME.pub. Returns the path of the private half. */
export async function newStatementKey(dir: string, name: string): Promise<string> {
  const key = join(dir, `${name}.pem`);
  await run('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key]);
  await run('chmod', ['600', key]);
  await run('openssl', ['ec', '-in', key, '-pubout', '-out', join(dir, `${name}.pub`)]);
  return key;
}
