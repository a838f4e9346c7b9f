import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { killIfThere } from './processes.ts';
import { startCli, type World } from './world.ts';

interface Moment {
  readonly build: number;
  /** Below the build's; default: the build's own. */
  readonly folder?: string;
  readonly step: string;
  readonly delayMs: number;
}

/**
 * Runs a command that works on a world's nth build (counted from 0), and kills its process group as soon as the journal
 * in that folder of the build says that a step began, or a little later in a long one. Gives the exit code of a run that was
 * faster than the kill.
 */
export async function killIn(world: World, args: readonly string[], at: Moment): Promise<number | null> {
  const child = startCli(world.dir, args);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  // Without a pause: some steps take a millisecond.
  while (child.exitCode === null && !begun(world, at)) await new Promise(setImmediate);
  if (at.delayMs > 0) await sleep(at.delayMs);
  if (child.pid !== undefined && child.exitCode === null) killIfThere(-child.pid);
  return ended;
}

function begun(world: World, { build, step, folder = '' }: Moment): boolean {
  const builds = join(world.dir, 'work/builds');
  const id = existsSync(builds) ? readdirSync(builds).sort()[build] : undefined;
  const path = join(builds, String(id), 'x86_64', folder, 'journal.ndjson');
  return (
    id !== undefined && existsSync(path) && readFileSync(path, 'utf8').includes(`"event":"start","step":"${step}"`)
  );
}
