import { argv, stdout } from 'node:process';
import { quietTask } from '../../src/base/task.ts';
import { openTarget } from '../../src/targets/open-target.ts';

/** Sends files to a target: a process of its own, so that a test can kill it. With a fifth argument it then stays. */
const [config = '', source = '', paths = '', stay] = argv.slice(2);
const task = quietTask();
const target = openTarget({ name: 'sent', url: 'http://127.0.0.1:1', ...JSON.parse(config) });
const { files } = await target.send(source, JSON.parse(paths), { immutable: true }, task);
stdout.write(`${files} files\n`);
if (stay) setInterval(() => undefined, 1000);
