import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { inBatches } from '../base/batches.ts';
import { sizeIfThere, writeFileAtomic } from '../base/files.ts';
import type { PublishPlan } from './publish-plan.ts';

/** Paths written at a time. */
const TOGETHER = 1000;

/** Keeps a plan as JSON (docs/formats.md), a path a line. The text of a large one is never in memory as a whole. */
export async function writePlan(file: string, plan: PublishPlan): Promise<void> {
  await writeFileAtomic(file, planText(plan));
}

function* planText({ phases, ...head }: PublishPlan): Iterable<string> {
  yield `${JSON.stringify(head, null, 2).slice(0, -'\n}'.length)},\n  "phases": [`;
  let comma = '';
  for (const { name, bytes, paths } of phases) {
    yield `${comma}\n    {\n      "name": ${JSON.stringify(name)},\n      "bytes": ${bytes},\n      "paths": [`;
    comma = '';
    for (const batch of inBatches(paths, TOGETHER)) {
      yield comma + batch.map((path) => `\n        ${JSON.stringify(path)}`).join(',');
      comma = ',';
    }
    yield '\n      ]\n    }';
    comma = ',';
  }
  yield '\n  ]\n}\n';
}

/**
 * Returns how many bytes a kept plan sent; undefined when there is no such file. Its paths, which may be a million, are
 * read past.
 */
export async function planFileBytes(file: string): Promise<number | undefined> {
  if ((await sizeIfThere(file)) === undefined) return undefined;
  let sum = 0;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    sum += Number(/^ {6}"bytes": (\d+),$/.exec(line)?.[1] ?? 0);
  }
  return sum;
}
