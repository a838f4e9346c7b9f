import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { buildLab, type Lab, updateLab } from '../lab/build.ts';
import { createRunner, type Runner } from '../run/runner.ts';
import { type LogFormat, selectListener } from '../sinks/select.ts';
import { type Printer, printJson } from './print.ts';

export interface LabCommandOptions {
  readonly dir: string;
  readonly logFormat: LogFormat;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/** `atomic-nightly lab build`: makes or completes the lab distribution in a folder. */
export async function runLabBuild(
  options: LabCommandOptions & { readonly publicUrl: string },
  print: Printer,
): Promise<number> {
  const { publicUrl } = options;
  const dir = resolve(options.dir);
  const lab = await withSteps(dir, options, (runner) =>
    runner.step('lab-build', { dir, publicUrl }, (task) => buildLab({ dir, publicUrl }, task)),
  );
  printLab(lab, options.json, print);
  return 0;
}

/** `atomic-nightly lab update`: publishes newer releases of packages, for a next night to find. */
export async function runLabUpdate(
  options: LabCommandOptions & {
    readonly packages: readonly string[];
    readonly kernel: boolean;
    readonly remove: readonly string[];
  },
  print: Printer,
): Promise<number> {
  const { packages, kernel, remove } = options;
  const dir = resolve(options.dir);
  const lab = await withSteps(dir, options, (runner) =>
    runner.step('lab-update', { packages, kernel, remove }, (task) =>
      updateLab({ dir, packages, kernel, remove }, task),
    ),
  );
  printLab(lab, options.json, print);
  return 0;
}

/** Runs steps outside any build: shown as those of a build are, logged to `DIR/logs`, but never resumed. */
export async function withSteps<Result>(
  dir: string,
  options: { readonly logFormat: LogFormat; readonly signal: AbortSignal },
  work: (runner: Runner) => Promise<Result>,
): Promise<Result> {
  await mkdir(dir, { recursive: true });
  const { listen, close } = selectListener(options.logFormat, process.stderr);
  const journal = { entries: [], append: async () => undefined };
  try {
    return await work(createRunner({ journal, logDir: join(dir, 'logs'), signal: options.signal, listen }));
  } finally {
    close();
  }
}

function printLab(lab: Lab, json: boolean, print: Printer): void {
  if (json) {
    printJson(lab, print);
  } else {
    const changed = lab.changed.length > 0 ? `changed: ${lab.changed.join(', ')}` : 'nothing changed';
    print(`Lab in ${lab.dir}: ${lab.packageCount} RPMs, ${changed}`);
    print(`  treefile: ${lab.treefile}`);
  }
}
