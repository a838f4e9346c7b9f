import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Task } from '../../base/task.ts';
import type { Config, StreamConfig, TargetConfig } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { type Check, checkLines } from '../../publish/verify/verify-report.ts';
import { type InspectStream, inspectTarget } from '../../publish/verify/verify-target.ts';
import { streamsOn, targetsNamed } from '../../run/streams-on.ts';
import { jointSigner, openSigner } from '../../signing/open-signer.ts';
import { type RunCommandOptions, withSteps } from '../open-run.ts';
import { type Printer, printJson } from '../print.ts';

export interface VerifyOptions extends RunCommandOptions {
  /** Name; default: all targets. */
  readonly target?: string;
  readonly ref?: string;
  readonly images: boolean;
  readonly json: boolean;
}

/**
 * `atomic-nightly verify [TARGET]`: looks at targets as an outsider, a line for each check.
 * @returns the exit code: 0 when all is well, 1 otherwise.
 */
export async function runVerify(options: VerifyOptions, print: Printer): Promise<number> {
  const config = await loadConfig(options.config);
  const targets = targetsNamed(config, options.target);
  const scratchDir = join(config.work, 'scratch');
  await mkdir(scratchDir, { recursive: true });
  const keyDir = await mkdtemp(join(scratchDir, 'keys-'));
  const results: { target: string; url: string; ok: boolean; checks: readonly Check[] }[] = [];
  try {
    await withSteps(config.work, options, async (runner) => {
      for (const target of targets) {
        const checks: Check[] = [];
        const ok = await runner.step(`verify-${target.name}`, {}, async (task) => {
          const request = {
            url: target.url,
            streams: await streamsOf(config, target, keyDir, task),
            ...(options.ref === undefined ? {} : { onlyRef: options.ref }),
            imageContent: options.images,
            ...(target.retention?.imagesSeconds === undefined ? {} : { imagesSeconds: target.retention.imagesSeconds }),
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
  if (options.json) printJson(results, print);
  else for (const result of results) printResult(result, print);
  return results.every(({ ok }) => ok) ? 0 : 1;
}

function printResult(
  { target, url, checks }: { target: string; url: string; checks: readonly Check[] },
  print: Printer,
): void {
  print(`Target ${target}, ${url}`);
  for (const check of checks) print(checkLines(check));
  const bad = checks.filter(({ ok }) => !ok).length;
  print(bad === 0 ? `all ${checks.length} checks passed` : `${bad} of ${checks.length} checks did not pass`);
}

async function streamsOf(config: Config, target: TargetConfig, keyDir: string, task: Task): Promise<InspectStream[]> {
  const streams = await streamsOn(config, target.name);
  return Promise.all(
    streams.map(async ({ stream, ref, testedRef, use }) => ({
      name: stream.name,
      use,
      ref,
      ...(testedRef === undefined ? {} : { testedRef }),
      vagrantBox: stream.vagrantBox,
      trust: {
        gpgKeys: [...stream.seed.gpgKeys, ...(await signingKey(stream, keyDir, task))],
        signedSummary: stream.signing !== undefined,
      },
    })),
  );
}

/** The public halves of the keys that the stream signs with, in a file. */
async function signingKey({ name, signing }: StreamConfig, keyDir: string, task: Task): Promise<string[]> {
  if (!signing) return [];
  const file = join(keyDir, `${name}.gpg`);
  await writeFile(file, await jointSigner(signing.map(openSigner)).clientKey(task));
  return [file];
}
