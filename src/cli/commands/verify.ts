import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import { releasedHead } from '../../build/promotions.ts';
import type { Config, StreamConfig, TargetConfig } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { remember } from '../../publish/verify/keep-evidence.ts';
import { publicFiles } from '../../publish/verify/public-http.ts';
import { inspectLog } from '../../publish/verify/verify-log.ts';
import { type Check, checkLines, reportTo } from '../../publish/verify/verify-report.ts';
import { type InspectStream, inspectTarget } from '../../publish/verify/verify-target.ts';
import { streamsOn, targetsNamed } from '../../run/streams-on.ts';
import { jointSigner, openSigner } from '../../signing/open-signer.ts';
import { defineCommand, usageError } from '../define.ts';
import { flag, optional, text, words } from '../inputs.ts';
import { LOG_TRUST_OPTIONS, readLogTrust } from '../log-trust.ts';
import { type Printer, printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

/**
 * `atomic-nightly verify [TARGET]`: looks at targets as an outsider, a line for each check.
 * @returns the exit code: 0 when all is well, 1 otherwise.
 */
export const verify = defineCommand({
  name: 'verify',
  section: 'Targets',
  summary: 'verify targets as an anonymous client: pull, signatures, deltas, records, images, release log',
  arguments: { target: optional('TARGET', 'target of the configuration; default: all', 'target') },
  options: {
    ref: text('REF', 'only this ref, and no builds'),
    images: flag('fetch every image and compare its SHA-256'),
    ...LOG_TRUST_OPTIONS,
    build: words('ID/ARCH', 'builds that the release log must have, beside the commits of all refs'),
    json: flag('for scripts'),
  },
  exitCodes: { 0: 'no faults', 1: 'faults found' },
  examples: [
    'atomic-nightly verify',
    'atomic-nightly verify buildlogs --images',
    'atomic-nightly verify buildlogs --policy policy --state log-seen',
    'atomic-nightly verify --json | jq ".[].checks[] | select(.ok | not)"',
  ],
  interruptible: true,
  async run({ target: named, ref, images, json, build, ...log }, context) {
    const trust = await readLogTrust('verify', log);
    const config = await loadConfig(context.config);
    const targets = targetsNamed(config, named);
    const { state } = log;
    if (state !== undefined && targets.length > 1)
      throw usageError('verify', '--state is what was seen of one target: name the TARGET.');
    if (!trust && build.length > 0)
      throw usageError('verify', '--build is about the release log: name its key with --log-key or --policy.');
    const { builds } = await surveyBuilds(config.work);
    const scratchDir = join(config.work, 'scratch');
    await makeFolder(scratchDir);
    const keyDir = await mkdtemp(join(scratchDir, 'keys-'));
    const results: { target: string; url: string; ok: boolean; checks: readonly Check[] }[] = [];
    try {
      await withSteps(config.work, context, async (runner) => {
        for (const target of targets) {
          const checks: Check[] = [];
          const ok = await runner.step(`verify-${target.name}`, {}, async (task) => {
            const request = {
              url: target.url,
              streams: await streamsOf({ config, builds, keyDir }, target, task),
              onlyRef: ref,
              imageContent: images,
              ...(target.retention?.imagesSeconds === undefined
                ? {}
                : { imagesSeconds: target.retention.imagesSeconds }),
              scratchDir,
            };
            const isWell = await inspectTarget(request, (check) => checks.push(check), task);
            if (!trust) return isWell;
            const report = reportTo((check) => checks.push(check));
            const files = publicFiles(target.url, task.signal);
            const openpgp = await signingKeyOf(config.log?.signing, task);
            const { note, evidence } = await inspectLog(
              { ...trust, files, url: target.url, builds: build, ...(openpgp && { openpgp }) },
              report,
              task,
            );
            const isAll = checks.every((check) => check.ok);
            if (state === undefined) return isAll;
            // Only what all checks have passed is what the next look begins with.
            const { evidence: kept, unkept } = await remember(state, { evidence, text: isAll ? note : undefined });
            if (kept.length > 0) task.say(`Both checkpoints are kept: ${kept.join(', ')}.`);
            if (unkept) report.fault('state', unkept.message, unkept.hint ?? '');
            return isAll && !unkept;
          });
          results.push({ target: target.name, url: target.url, ok, checks });
        }
      });
    } finally {
      await rm(keyDir, { recursive: true, force: true });
    }
    if (json) printJson(results, context.print);
    else for (const result of results) printResult(result, context.print);
    return results.every(({ ok }) => ok) ? 0 : 1;
  },
});

function printResult(
  { target, url, checks }: { target: string; url: string; checks: readonly Check[] },
  print: Printer,
): void {
  print(`Target ${target}, ${url}`);
  for (const check of checks) print(checkLines(check));
  const bad = checks.filter(({ ok }) => !ok).length;
  print(bad === 0 ? `all ${checks.length} checks passed` : `${bad} of ${checks.length} checks did not pass`);
}

async function streamsOf(
  {
    config,
    builds,
    keyDir,
  }: { readonly config: Config; readonly builds: readonly StoredBuild[]; readonly keyDir: string },
  target: TargetConfig,
  task: Task,
): Promise<InspectStream[]> {
  const streams = await streamsOn(config, target.name);
  return Promise.all(
    streams.map(async ({ stream, ref, testedRef, use }) => ({
      name: stream.name,
      use,
      ref,
      ...(testedRef === undefined ? {} : { testedRef }),
      ...(isPublished(builds, stream.name, target.name, use) ? {} : { unpublished: true }),
      vagrantBox: stream.vagrantBox,
      trust: {
        gpgKeys: [...stream.seed.gpgKeys, ...(await signingKey(stream, keyDir, task))],
        signedSummary: stream.signing !== undefined,
      },
    })),
  );
}

function isPublished(
  builds: readonly StoredBuild[],
  stream: string,
  target: string,
  use: InspectStream['use'],
): boolean {
  if (use.releases) return releasedHead(builds, stream) !== undefined;
  return builds.some(({ meta }) => meta.stream === stream && meta.published?.includes(target));
}

/** Returns the public halves of the keys that the stream signs with, in a file. */
async function signingKey({ name, signing }: StreamConfig, keyDir: string, task: Task): Promise<string[]> {
  const keys = await signingKeyOf(signing, task);
  if (!keys) return [];
  const file = join(keyDir, `${name}.gpg`);
  await writeFile(file, keys);
  return [file];
}

async function signingKeyOf(signing: StreamConfig['signing'], task: Task): Promise<Uint8Array | undefined> {
  return signing && jointSigner(signing.map(openSigner)).clientKey(task);
}
