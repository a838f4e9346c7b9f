import { argv, stdout } from 'node:process';
import type { TargetConfig } from '../../src/config/config.ts';
import { NightlyError } from '../../src/errors.ts';
import { applyPublish } from '../../src/publish/apply.ts';
import { publishFiles, updateJson } from '../../src/publish/files.ts';
import { planPublish } from '../../src/publish/plan.ts';
import { type BuildIndex, INDEX_PATH, withBuild } from '../../src/steps/publish-build.ts';
import { openTarget } from '../../src/targets/open.ts';
import type { Task } from '../../src/tools/task.ts';

/** What the process is given as its only argument, in JSON. */
export interface PublisherRequest {
  /** Has `repo/` and `builds/`. */
  readonly work: string;
  readonly target: TargetConfig;
  readonly ref: string;
  readonly commit: string;
  /** The build's id; its record and image are in `work`. */
  readonly id: string;
  readonly image: string;
}

/**
 * Publishes one build, as a process of its own that a test can kill. Prints `ready` when it begins; ends with exit code 3
 * and the error's code on standard output where publishing says what is wrong.
 */
async function publish({ work, target: config, ref, commit, id, image }: PublisherRequest): Promise<void> {
  const task: Task = {
    signal: new AbortController().signal,
    logFile: '/dev/null',
    say: () => undefined,
    progress: () => undefined,
  };
  const [repo, target] = [`${work}/repo`, openTarget(config)];
  await applyPublish(await planPublish({ repo, ref, commit, target }, task), { repo, target }, task);
  const folder = `builds/${id}/x86_64`;
  await publishFiles(work, { fixed: [`${folder}/${image}`], records: [`${folder}/meta.json`] }, target, task);
  await updateJson<BuildIndex>(INDEX_PATH, (index) => withBuild(index, id, 'x86_64'), target, task);
}

stdout.write('ready\n');
try {
  await publish(JSON.parse(argv[2] ?? '') as PublisherRequest);
} catch (error) {
  if (!(error instanceof NightlyError)) throw error;
  stdout.write(`${error.code}\n`);
  process.exitCode = 3;
}
