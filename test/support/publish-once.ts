import { argv, stdout } from 'node:process';
import { quietTask } from '../../src/base/task.ts';
import { applyPublish } from '../../src/publish/apply.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { planPublish } from '../../src/publish/publish-plan.ts';
import { directoryTarget } from '../../src/targets/directory/directory-target.ts';

/** Publishes one commit to a directory target: a process of its own, so that a test can kill it. */
const [repo = '', ref = '', commit = '', path = '', url = ''] = argv.slice(2);
const task = quietTask();
const target = directoryTarget({ type: 'directory', name: 'killed', path, url });
stdout.write('ready\n');
const plan = await planPublish({ repo, ref, commit, target }, task);
await applyPublish(plan, { repo, target, log: NO_LOG }, task);
