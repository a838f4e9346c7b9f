import { argv } from 'node:process';
import { quietTask } from '../../src/base/task.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { publishCommit } from '../../src/publish/publish-commit.ts';
import { openTarget } from '../../src/targets/open-target.ts';

/** Publishes one commit to an S3 target, noting what arrived: a process of its own, so that a test can kill it. */
const [config = '', repo = '', ref = '', commit = '', notes = ''] = argv.slice(2);
const task = quietTask();
await publishCommit({ log: NO_LOG, repo, ref, commit, target: openTarget(JSON.parse(config)), notes }, task);
