import { join } from 'node:path';
import { pulled, type World } from './world.ts';

/** A client that trusts one key and believes nothing that it did not sign, neither commit nor summary. @returns the commit. */
export function strictPull(world: World, name: string, key: string, ...options: readonly string[]): Promise<string> {
  return pulled(world, join(world.dir, name), { key, options });
}
