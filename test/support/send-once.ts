import { argv, stdout } from 'node:process';
import { sshTarget } from '../../src/targets/ssh.ts';
import type { Task } from '../../src/tools/task.ts';

/** Sends files to a target over ssh: a process of its own, so that a test can kill it. */
const [config = '', source = '', paths = ''] = argv.slice(2);
const task: Task = {
  signal: new AbortController().signal,
  logFile: '/dev/null',
  say: () => undefined,
  progress: () => undefined,
};
const target = sshTarget({ type: 'ssh', name: 'killed', url: 'http://127.0.0.1:1', ...JSON.parse(config) });
stdout.write('ready\n');
console.log(JSON.stringify(await target.send(source, JSON.parse(paths), { immutable: true }, task)));
