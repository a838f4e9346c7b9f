import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { asNightlyError } from '../../base/as-nightly-error.ts';
import { readCacheRecord } from '../../base/cache-record.ts';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, writeJson } from '../../base/files.ts';
import { quietTask } from '../../base/task.ts';
import { readMeta, surveyBuilds } from '../../build/build-store.ts';
import type { Listener } from '../../build/events.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import { readKeyInfo } from '../../signing/key-info.ts';
import { openCourier } from './deliver-event.ts';
import { aboutBuild, asEvent, endEvent, expiringKeys, failuresOf, type RunEnd } from './derive.ts';
import type { Happening } from './event.ts';
import { outboxFolder } from './outbox.ts';

/** How long notifications may delay the end of a run, in all; less when somebody waits for an interrupted one to stop. */
const LIMIT_MS = 20_000;
const LIMIT_INTERRUPTED_MS = 5000;

/** Notifies the sinks about one run on one build. A failed notification never fails the run. */
export interface Teller {
  /** Receives the run's events, of which its start and end are announced. */
  readonly listen: Listener;
  /** Announces what is in no event of the run, such as a release. */
  add(what: Happening, failure?: NightlyError): Promise<void>;
  /** Sends what is still queued; what is not delivered in time stays queued for the next run. */
  close(): Promise<void>;
}

export interface TellerOptions {
  /** One line for people. */
  readonly say: (line: string) => void;
  /** Aborted when the run is. */
  readonly signal: AbortSignal;
}

/** Opens the sinks for a run on a build, before the run changes anything. */
export async function openTeller(project: Project, build: Build, { say, signal }: TellerOptions): Promise<Teller> {
  const { notify, work } = project.config;
  if (notify.length === 0) {
    return { listen: () => undefined, add: async () => undefined, close: async () => undefined };
  }
  const couriers = notify.map((sink) => openCourier(work, sink));
  const stop = new AbortController();
  let before: Before = { self: undefined, earlier: [] };
  let begun: Promise<void> = Promise.resolve();
  let end: RunEnd | undefined;

  const report = async (fault: string): Promise<void> => {
    say(`notify: ${fault}`);
    const { logs } = build.paths;
    await makeFolder(logs)
      .then(() => appendFile(join(logs, 'notify.log'), `${new Date().toISOString()} ${fault}\n`))
      // The disk may be full, which has been reported elsewhere.
      .catch(() => undefined);
  };
  const quietly = (work: () => Promise<void>): Promise<void> =>
    work().catch((error: unknown) => report(asNightlyError(error).message));

  const add = async (what: Happening, failure?: NightlyError): Promise<void> => {
    const about = aboutBuild(await readMeta(build.paths), project.targets[0].publicUrl, end);
    const event = asEvent(failure ? { ...about, failures: failuresOf([failure]) } : about, what);
    for (const courier of couriers) await courier.take(event);
  };
  const addEnd = async (): Promise<void> => {
    if (end === undefined) return;
    for (const what of endEvent(end, await readMeta(build.paths), before)) await add(what);
  };
  const addKeys = async (): Promise<void> => {
    if (!project.signer) return;
    const path = join(outboxFolder(work), 'keys.json');
    const told = (await readCacheRecord(path, z.record(z.string(), z.number()))) ?? {};
    const publicKeys = await project.signer.publicKey(quietTask('/dev/null', stop.signal));
    const now = expiringKeys(await readKeyInfo(publicKeys, 'the public key of the signer'), told);
    for (const what of now.happened) await add(what);
    if (now.happened.length > 0) await writeJson(path, now.told);
  };

  await quietly(async () => {
    before = await standing(project, build);
  });
  return {
    listen(event) {
      if (event.type === 'run-ended') end = { state: event.state, seconds: event.seconds };
      if (event.type !== 'run-started') return;
      begun = quietly(async () => {
        await add({ type: 'started', resumed: event.resumed });
        // Not awaited: what fails is retried at the end, and reported then.
        for (const courier of couriers) void courier.deliver(stop.signal);
      });
    },
    add: (what, failure) => quietly(() => add(what, failure)),
    async close() {
      const limit = signal.aborted ? LIMIT_INTERRUPTED_MS : LIMIT_MS;
      const timer = setTimeout(() => stop.abort(new NightlyError('notify', 'Notifications took too long.')), limit);
      await begun;
      await quietly(addEnd);
      await quietly(addKeys);
      const faults = await Promise.all(couriers.map((courier) => courier.deliver(stop.signal)));
      clearTimeout(timer);
      for (const fault of faults) if (fault !== undefined) await report(fault);
    },
  };
}

/** States of a build, and of the earlier ones of its stream, newest first. */
interface Before {
  readonly self: string | undefined;
  readonly earlier: readonly string[];
}

async function standing({ config, stream }: Project, { id }: Build): Promise<Before> {
  const { builds } = await surveyBuilds(config.work);
  const all = builds.filter(({ meta }) => meta.stream === stream.name);
  const at = all.findIndex(({ meta }) => meta.buildid === id);
  const states = all.slice(at).map(({ meta }) => meta.state);
  return { self: states[0], earlier: states.slice(1) };
}
