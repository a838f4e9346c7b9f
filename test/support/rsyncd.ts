import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { start } from '../../src/programs/exec.ts';
import { untilListening } from './sshd.ts';

export interface TestRsyncd {
  readonly port: number;
  /** `rsync://mirror@127.0.0.1:PORT/atomic` */
  readonly destination: string;
  readonly passwordFile: string;
  readonly wrongPasswordFile: string;
}

/**
 * An rsync daemon on loopback with one module that asks for a password, with one option of its own, until the running test
 * ends.
 * @param program which rsync it is
 */
export async function startRsyncd(
  dir: string,
  root: string,
  option = 'list = no',
  program = 'rsync',
): Promise<TestRsyncd> {
  const at = (name: string): string => join(dir, name);
  await mkdir(dir, { recursive: true });
  await mkdir(root, { recursive: true });
  for (const [name, content] of [
    ['secrets', 'mirror:pa55word\n'],
    ['password', 'pa55word\n'],
    ['password.wrong', 'guess\n'],
  ] as const) {
    await writeFile(at(name), content);
    await chmod(at(name), 0o600);
  }
  const lines = [
    'use chroot = no',
    'uid = root',
    'gid = root',
    '[atomic]',
    `  path = ${root}`,
    '  read only = no',
    `  ${option}`,
    '  auth users = mirror',
    `  secrets file = ${at('secrets')}`,
  ];
  await writeFile(at('rsyncd.conf'), `${lines.join('\n')}\n`);
  const port = await freePort();
  const args = ['--daemon', '--no-detach', '--address=127.0.0.1', `--port=${port}`, `--config=${at('rsyncd.conf')}`];
  const server = await start(program, args);
  onTestFinished(() => server.stop());
  await untilListening(port);
  return {
    port,
    destination: `rsync://mirror@127.0.0.1:${port}/atomic`,
    passwordFile: at('password'),
    wrongPasswordFile: at('password.wrong'),
  };
}
