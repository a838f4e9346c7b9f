import { argv, stdout } from 'node:process';
import { quietTask } from '../../src/base/task.ts';
import { openTarget } from '../../src/targets/open-target.ts';

/**
 * Sends files to a target: a process of its own, so that a test can kill it. With a fifth argument it then stays.
 * Waits of 10 s and more take hours here: what ends although it waits for such a one does not wait for it.
 */
const setTimeoutOfNode = globalThis.setTimeout;
globalThis.setTimeout = Object.assign(
  (work: () => void, ms = 0) => setTimeoutOfNode(work, ms < 10_000 ? ms : ms * 1000),
  setTimeoutOfNode,
);
const [config = '', source = '', paths = '', stay] = argv.slice(2);
const task = quietTask();
const target = openTarget({ name: 'sent', url: 'http://127.0.0.1:1', ...JSON.parse(config) });
const { files } = await target.send(source, JSON.parse(paths), { immutable: true }, task);
stdout.write(`${files} files\n`);
if (stay) setInterval(() => undefined, 1000);
