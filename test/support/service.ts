import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/base/free-port.ts';
import type { ServiceState } from '../../src/service/service-state.ts';
import { killIfThere } from './processes.ts';
import { until } from './until.ts';
import { startCli, type World } from './world.ts';

/** A started `atomic-nightly serve`. */
export interface StartedService {
  readonly pid: number;
  readonly url: string;
  /** Everything it has said so far. */
  said(): string;
  /** Waits until it has said that; its end fails the test. */
  until(text: string | RegExp, seconds?: number): Promise<void>;
  /** Sends a signal and waits for the end; gives the exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Adds a `service` block to the configuration of a world: flow-style keys, without `listen`. */
export async function configureService(world: Pick<World, 'config'>, keys: readonly string[] = []): Promise<void> {
  const port = await freePort();
  await appendFile(world.config, `service: {${[`listen: '127.0.0.1:${port}'`, ...keys].join(', ')}}\n`);
}

/** Starts the service of a world and waits until it listens. Its caller ends it, or `endService` does. */
export async function startServe(
  world: Pick<World, 'dir'>,
  env: Readonly<Record<string, string>> = {},
): Promise<StartedService> {
  const child = startCli(world.dir, ['serve'], env);
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const ended = new Promise<number | null>((settle) => child.once('exit', settle));
  const untilSaid: StartedService['until'] = async (text, seconds = 120) => {
    const end = Date.now() + seconds * 1000;
    while (!(typeof text === 'string' ? said.includes(text) : text.test(said))) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the service ended:\n${said}`);
      if (Date.now() > end) throw new Error(`the service did not say ${text}:\n${said}`);
      await sleep(20);
    }
  };
  await untilSaid('listening on ');
  const url = /listening on (\S+)/.exec(said)?.[1] ?? '';
  return {
    pid: child.pid ?? 0,
    url,
    said: () => said,
    until: untilSaid,
    async end(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

/** What a service has written down. */
export async function serviceState(world: Pick<World, 'dir'>): Promise<ServiceState> {
  return JSON.parse(await readFile(join(world.dir, 'work/service/state.json'), 'utf8')) as ServiceState;
}

/** The process of the run under way: its number, which is that of its group too. Waits for it. */
export async function runningProcess(world: Pick<World, 'dir'>): Promise<number> {
  let identity: string | undefined;
  await until(async () => {
    const state = await serviceState(world).catch(() => undefined);
    identity = state?.jobs.find(({ attempt }) => attempt?.process !== undefined)?.attempt?.process;
    return identity !== undefined;
  });
  return Number(identity?.split(':')[1]);
}

/** Ends a service and the run it may have, whatever state they are in. */
export async function endService(service: StartedService, world: Pick<World, 'dir'>): Promise<void> {
  const state = await serviceState(world).catch(() => undefined);
  await service.end('SIGKILL');
  for (const { attempt } of state?.jobs ?? []) {
    if (attempt?.process !== undefined) killIfThere(-Number(attempt.process.split(':')[1]));
  }
}
