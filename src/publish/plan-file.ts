import { inBatches } from '../tools/batches.ts';
import { writeFileAtomic } from '../tools/files.ts';
import type { PublishPlan } from './plan.ts';

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
