import { NightlyError } from '../../base/errors.ts';
import { currentState } from '../../build/about-build.ts';
import { findBuild, type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import { EXIT, outcomeOf } from '../../build/outcomes.ts';
import { loadConfig } from '../../config/load.ts';
import { lockHolder } from '../../run/lock-holder.ts';
import { type LockHolder, takeRunLock } from '../../run/run-lock.ts';
import { signalHolder } from '../../run/signal-holder.ts';
import { buildUnderWay } from '../../run/under-way.ts';
import { defineCommand } from '../define.ts';
import { followBuild } from '../follow-build.ts';
import { flag, optional } from '../inputs.ts';
import { entryText, withoutBeginnings } from '../journal-text.ts';
import { printJson } from '../print.ts';

/** `atomic-nightly cancel [BUILD]`: ends the run that works on a build, so that it can be resumed. */
export const cancel = defineCommand({
  name: 'cancel',
  section: 'Nightly builds',
  summary: 'end a build that is running, so that "resume" can continue it',
  arguments: { build: optional('BUILD', 'build id; default: the build that is running', 'build') },
  options: {
    kill: flag('kill it, when it does not react to being asked'),
    json: flag('for scripts'),
  },
  exitCodes: {
    0: 'it has ended, interrupted',
    1: 'it ended otherwise before it could be interrupted',
    10: 'it was not running',
    11: 'it runs on another machine or in another container',
  },
  notes:
    'The run is sent SIGINT, as by Ctrl-C in its terminal: it ends its programs, writes down where it stopped, and this command waits for that.\nA second "cancel" meanwhile ends it at once.',
  examples: ['atomic-nightly cancel', 'atomic-nightly cancel 20261121_01', 'atomic-nightly cancel --kill'],
  async run({ build: id, kill, json }, { config, print }) {
    const { work } = await loadConfig(config);
    const holder = await lockHolder(work);
    const running = await buildUnderWay((await surveyBuilds(work)).builds, holder);
    const named = id === undefined ? undefined : await findBuild(work, id);
    if (holder === undefined || (named && named.meta.buildid !== running?.meta.buildid)) {
      if (json) printJson(resultOf(named), print);
      else print(`${named ? stateLine(named) : 'No build is running'}; there is nothing to cancel.`);
      return EXIT.unchanged;
    }
    if (!running) throw noBuild(holder);
    let isFirst = true;
    const wasSent = await signalHolder(work, holder, kill ? 'SIGKILL' : 'SIGINT');
    if (wasSent && !json) print(`Sent ${kill ? 'SIGKILL' : 'SIGINT'} to process ${holder.pid} ("${holder.command}").`);
    await followBuild(work, running.paths, {
      entries(entries) {
        if (!json && !isFirst) for (const entry of withoutBeginnings(entries)) print(entryText(entry));
        isFirst = false;
      },
    });
    // Programs of a run that was killed are still at work; whoever takes the lock next ends them.
    if (kill) await (await takeRunLock(work, 'cancel')).release();
    const ended = await findBuild(work, running.meta.buildid);
    const { cancelled } = resultOf(ended);
    if (json) printJson(resultOf(ended), print);
    else
      print(`${stateLine(ended)}.${cancelled ? `\n  to continue: atomic-nightly resume ${ended.meta.buildid}` : ''}`);
    return cancelled ? EXIT.done : EXIT.failed;
  },
});

/** How a build that nobody works on stands. */
function resultOf(build: StoredBuild | undefined) {
  const state = build && currentState(build, false);
  return { build: build?.meta.buildid ?? null, state: state ?? null, cancelled: state === 'interrupted' };
}

function stateLine(build: StoredBuild): string {
  const state = currentState(build, false);
  return `Build ${build.meta.buildid} is ${outcomeOf(state)?.label ?? state}`;
}

function noBuild({ command, pid, host }: LockHolder): NightlyError {
  return new NightlyError('usage', `What runs works on no build: "${command}", process ${pid} on ${host}.`, {
    hint: `To end it as well: kill -INT ${pid}`,
  });
}
