import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { quietTask } from '../../base/task.ts';
import { type LocalRepo, openLocalRepo, wholeCommitAt } from '../../ostree/local-repo.ts';
import { isRef } from '../../ostree/ref.ts';
import type { PushedRef } from '../../publish/push/pushed-ref.ts';
import { type PushedResult, resultLine } from '../../publish/push/pushed-result.ts';
import { openReceiverLine } from '../../publish/push/receiver-line.ts';
import { sshPlace } from '../../targets/target-url.ts';
import type { RunContext } from '../context.ts';
import { defineCommand, usageError } from '../define.ts';
import { flag, needed, negation, rest, text } from '../inputs.ts';
import { printJson } from '../print.ts';
import { pushFolder, urlOptions } from '../push-places.ts';
import type { PushOrder } from '../push-refs.ts';

/**
 * `atomic-nightly push REF… TARGET|URL`: sends refs of any local repository to a far side. Gives the exit code.
 */
export const push = defineCommand({
  name: 'push',
  section: 'Targets',
  summary: 'push refs of any local OSTree repository to a target, or to an address',
  usage: '[options] <REF...> <TARGET|URL>',
  arguments: {
    first: needed('REF', 'ref of the local repository'),
    others: rest('REF|TARGET|URL', 'more refs, then the destination: a target of the configuration or an address'),
  },
  options: {
    repo: text('REPO', 'local repository, in any mode; default: the current folder', { completes: 'folder' }),
    dryRun: flag('print what would be sent and moved; change nothing'),
    forceOlder: flag('allow a commit that is not newer than the one it replaces'),
    tag: text('NAME', 'another ref for the commit, which never moves'),
    pruneTo: text('N', 'afterwards, keep only the newest N commits of these refs there'),
    deltas: flag('send a static delta from the commit that is replaced'),
    identity: text('FILE', 'private key for ssh; default: what ssh itself would use', { completes: 'file' }),
    knownHosts: text('FILE', 'host keys for ssh to trust; default: what ssh itself would use', { completes: 'file' }),
    url: text('URL', 'where clients read what is pushed to an address; a fresh client then pulls from there'),
    verify: negation('do not pull as a fresh client afterwards'),
    json: flag('the result for scripts, on standard output'),
  },
  examples: [
    'atomic-nightly push --repo repo example/x86_64/stable releases@www.example.org:/srv/atomic',
    'atomic-nightly push example/x86_64/stable mirror --tag example/x86_64/41.1 --dry-run',
    'atomic-nightly push example/x86_64/stable s3://example-atomic/stable',
  ],
  notes:
    'The address is ssh://user@host/path, user@host:/path, rsync://host/module/path, s3://bucket/prefix, or a path; it is that of the folder that holds repo/. An address needs no configuration.',
  interruptible: true,
  async run({ first, others, repo = '.', tag, pruneTo: pruneDepthText, json, ...how }, context) {
    const to = others.at(-1);
    if (to === undefined) throw usageError('push', 'push takes at least one ref, and last where it goes.');
    const source = await openLocalRepo(repo);
    const refs = await pushedRefs(source, [first, ...others.slice(0, -1)], tag);
    const depth = pruneDepth(pruneDepthText);
    const stateDir = await pushFolder(source);
    const request = { source, refs, stateDir, ...how, pruneTo: depth };
    const place = sshPlace(to, urlOptions(how).ssh);
    // While ssh connects, the rest of this program is loaded: that takes as long.
    const line = place && openReceiverLine(place, quietTask(join(stateDir, 'logs/ssh.log'), context.signal));
    const results = await pushAll({ ...request, to, line }, context)
      .catch((error: unknown) => {
        throw withAdvice(error);
      })
      .finally(() => line?.close());
    if (json) printJson({ to, dryRun: how.dryRun, refs: results }, context.print);
    else for (const line of lines(results, how.dryRun)) context.print(line);
    return 0;
  },
});

async function pushAll(request: PushOrder, context: RunContext): Promise<readonly PushedResult[]> {
  const [{ withSteps }, { pushRefs }] = await Promise.all([import('../with-steps.ts'), import('../push-refs.ts')]);
  return withSteps(request.stateDir, context, (runner) => pushRefs(request, context.config, runner));
}

async function pushedRefs(
  source: LocalRepo,
  names: readonly string[],
  tag: string | undefined,
): Promise<readonly PushedRef[]> {
  const refs: PushedRef[] = [];
  for (const ref of new Set(names)) refs.push({ ref, commit: await wholeCommitAt(source, ref), isTag: false });
  if (tag === undefined) return refs;
  const [only] = refs;
  if (only === undefined || refs.length > 1) throw usageError('push', '--tag goes with a single ref.');
  if (!isRef(tag)) throw usageError('push', `--tag: ${JSON.stringify(tag)} cannot be the name of a ref.`);
  return [only, { ref: tag, commit: only.commit, isTag: true }];
}

function pruneDepth(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw usageError('push', '--prune-to takes how many commits of each ref stay: 1 or more.');
}

/** How a publish of a build advises to continue it. */
const THEN_RESUME = /,?;? then run "atomic-nightly resume"\./;

/** Where a publish of a build advises to continue that, a push is to be run again; what is to be seen to before stays. */
function withAdvice(error: unknown): unknown {
  if (!(error instanceof NightlyError) || !/resume|nightly nightly/.test(error.hint ?? '')) return error;
  const { code, message, hint = '', cause, log } = error;
  const before = THEN_RESUME.test(hint) ? `${hint.replace(THEN_RESUME, '')}. Then run` : 'Run';
  return new NightlyError(code, message, {
    hint: `${before} the same push again: it looks what the far side has now, and continues where it stopped.`,
    cause,
    log,
  });
}

function lines(results: readonly PushedResult[], dryRun: boolean): string[] {
  return results.map((result) => resultLine(result, dryRun ? 'would push' : 'pushed'));
}
