import { run } from '../../src/tools/exec.ts';

/** Builds the program when a source is newer than it: tests that run it as a whole must see what they test. */
export async function setup(): Promise<void> {
  await run('sh', [new URL('../../scripts/bootstrap.sh', import.meta.url).pathname, '--tests']);
}
