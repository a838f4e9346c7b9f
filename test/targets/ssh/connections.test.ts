import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { removeStaleFolders } from '../../../src/base/temporary.ts';
import { processesWith } from '../../support/processes.ts';
import { startSshd } from '../../support/sshd.ts';
import { accessOf, bed } from '../../support/target-beds.ts';
import { until } from '../../support/until.ts';

const script = new URL('../../support/send-once.ts', import.meta.url).pathname;
const loader = new URL('../../../node_modules/tsx/dist/loader.mjs', import.meta.url).href;

/** Sends one file in a process of its own. */
async function sender(type: 'ssh' | 'rsync', ...more: readonly string[]) {
  const { dir, far, source } = await bed();
  await mkdir(far);
  const ssh = accessOf(await startSshd(join(dir, 'sshd')));
  const config = { type, destination: `root@127.0.0.1:${far}`, ssh };
  const args = ['--import', loader, script, JSON.stringify(config), source, '["builds/meta.json"]', ...more];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  /** The clients of that server. */
  const clients = () => processesWith('-p', String(ssh.port));
  return { child, clients };
}

// An idle connection is kept for hours there.
it.each(['ssh', 'rsync'] as const)('ends at once although a connection over %s is kept open', async (type) => {
  const { child, clients } = await sender(type);
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  expect(await ended).toEqual([0, null]);
  await until(() => clients().length === 0);
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`atomic-nightly-ssh-${child.pid}-`))).toEqual([]);
});

it.each(['ssh', 'rsync'] as const)('leaves no connection over %s behind when it is killed', async (type) => {
  const { child, clients } = await sender(type, 'stay');
  await once(child.stdout, 'data');
  expect(clients()).not.toEqual([]);
  const mine = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`atomic-nightly-ssh-${child.pid}-`));
  expect(mine()).toHaveLength(type === 'rsync' ? 1 : 0);
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await until(() => clients().length === 0);
  // K20: the next run removes what is left of it.
  await closed;
  removeStaleFolders();
  expect(mine()).toEqual([]);
});
