import { argv, stdout } from 'node:process';
import { quietTask } from '../../src/base/task.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { pruneTarget } from '../../src/publish/prune/prune-target.ts';
import { directoryTarget } from '../../src/targets/directory/directory-target.ts';

/**
 * Prunes a directory target down to the newest commit of every ref: a process of its own, so that a test can kill it. It
 * removes a few files at a time and says so after each time.
 */
const [repo = '', path = '', url = '', now = '', scratchDir = ''] = argv.slice(2);
const task = quietTask();
const target = directoryTarget({ type: 'directory', name: 'killed', path, url });
const slow = {
  ...target,
  remove: async (paths: readonly string[]): Promise<void> => {
    for (let at = 0; at < paths.length; at += 3) {
      await target.remove(paths.slice(at, at + 3), task);
      stdout.write('removed\n');
      await new Promise((settle) => setTimeout(settle, 5));
    }
  },
};
const retention = { refs: [{ pattern: '*', depth: 1 }], graceSeconds: 2 * 86_400 };
await pruneTarget({ log: NO_LOG, target: slow, retention, repo, scratchDir, now: Number(now) }, task);
