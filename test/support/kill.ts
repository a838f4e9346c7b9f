import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCli, type World } from './world.ts';

/**
 * Runs a command that makes a world's nth build (counted from 0), and kills its process group as soon as the build's
 * journal says that a step began, or a little later in a long one. Gives the exit code of a run that was faster than the kill.
 */
export async function killIn(
  world: World,
  args: readonly string[],
  at: { readonly build: number; readonly step: string; readonly delayMs: number },
): Promise<number | null> {
  const child = startCli(world.dir, args);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  // Without a pause: some steps take a millisecond.
  while (child.exitCode === null && !begun(world, at)) await new Promise(setImmediate);
  if (at.delayMs > 0) await sleep(at.delayMs);
  if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  return ended;
}

function begun(world: World, { build, step }: { readonly build: number; readonly step: string }): boolean {
  const id = readdirSync(join(world.dir, 'work/builds')).sort()[build];
  const path = join(world.dir, 'work/builds', String(id), 'x86_64/journal.ndjson');
  return (
    id !== undefined && existsSync(path) && readFileSync(path, 'utf8').includes(`"event":"start","step":"${step}"`)
  );
}
