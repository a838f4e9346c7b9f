import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import { releasedHead } from '../../build/promotions.ts';
import type { Config, StreamConfig, TargetConfig } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { type Check, checkLines } from '../../publish/verify/verify-report.ts';
import { type InspectStream, inspectTarget } from '../../publish/verify/verify-target.ts';
import { streamsOn, targetsNamed } from '../../run/streams-on.ts';
import { jointSigner, openSigner } from '../../signing/open-signer.ts';
import { defineCommand } from '../define.ts';
import { flag, optional, text } from '../inputs.ts';
import { type Printer, printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

/**
 * `atomic-nightly verify [TARGET]`: looks at targets as an outsider, a line for each check.
 * @returns the exit code: 0 when all is well, 1 otherwise.
 */
export const verify = defineCommand({
  name: 'verify',
  section: 'Targets',
  summary: 'verify targets as an anonymous client: pull, signatures, deltas, records, images',
  arguments: { target: optional('TARGET', 'target of the configuration; default: all', 'target') },
  options: {
    ref: text('REF', 'only this ref, and no builds'),
    images: flag('fetch every image and compare its SHA-256'),
    json: flag('for scripts'),
  },
  exitCodes: { 0: 'no faults', 1: 'faults found' },
  examples: [
    'atomic-nightly verify',
    'atomic-nightly verify buildlogs --images',
    'atomic-nightly verify --json | jq ".[].checks[] | select(.ok | not)"',
  ],
  interruptible: true,
  async run({ target: named, ref, images, json }, context) {
    const config = await loadConfig(context.config);
    const targets = targetsNamed(config, named);
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
            return inspectTarget(request, (check) => checks.push(check), task);
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
  if (!signing) return [];
  const file = join(keyDir, `${name}.gpg`);
  await writeFile(file, await jointSigner(signing.map(openSigner)).clientKey(task));
  return [file];
}
