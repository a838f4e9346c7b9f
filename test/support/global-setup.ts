import type { TestProject } from 'vitest/node';
import { run } from '../../src/programs/exec.ts';
import { serveRadosgw } from './radosgw.ts';

/** Builds the program when a source is newer than it: tests that run it as a whole must see what they test. */
export async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  await run('sh', [new URL('../../scripts/bootstrap.sh', import.meta.url).pathname, '--tests']);
  const { port, stop } = await serveRadosgw();
  provide('radosgwPort', port);
  return stop;
}
