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
 * in that folder of the build says that a step began, or a little later in a long one. Gives whether the run came to its
 * end before: then nothing is left to do, even if the program itself was killed.
 */
export async function killIn(world: Pick<World, 'dir'>, args: readonly string[], at: Moment): Promise<boolean> {
  const child = startCli(world.dir, args);
  const closed = new Promise((resolve) => child.on('close', resolve));
  // Without a pause: some steps take a millisecond.
  while (child.exitCode === null && !journalOf(world, at).includes(`"event":"start","step":"${at.step}"`))
    await new Promise(setImmediate);
  if (at.delayMs > 0) await sleep(at.delayMs);
  if (child.pid !== undefined && child.exitCode === null) killIfThere(-child.pid);
  await closed;
  return journalOf(world, at).includes('"event":"end"');
}

function journalOf(world: Pick<World, 'dir'>, { build, folder = '' }: Moment): string {
  const builds = join(world.dir, 'work/builds');
  const id = existsSync(builds) ? readdirSync(builds).sort()[build] : undefined;
  const path = join(builds, String(id), 'x86_64', folder, 'journal.ndjson');
  return id !== undefined && existsSync(path) ? readFileSync(path, 'utf8') : '';
}
