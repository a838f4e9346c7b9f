import { setFlagsFromString } from 'node:v8';

/** How much the heap grows beyond what was left of it by a full collection, before the next one. */
const GROWTH_PERCENT = 30;

/**
 * Bounds the memory of this process by what it keeps (I15). By itself V8 lets the heap grow up to fourfold between two full collections, by
 * how fast it has just found its own to be: with the same 5,000 builds the service took 230 MB as a rule and once 410. Pages and
 * records take as much processor time with more of them.
 */
export function limitHeapGrowth(): void {
  // A release of V8 without it says so on standard error, and does as before.
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
