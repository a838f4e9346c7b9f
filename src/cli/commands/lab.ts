import { resolve } from 'node:path';
import { buildLab, type Lab, updateLab } from '../../lab/build-lab.ts';
import type { LogFormat } from '../../reports/progress/select-listener.ts';
import { withSteps } from '../open-run.ts';
import { type Printer, printJson } from '../print.ts';

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

function printLab(lab: Lab, json: boolean, print: Printer): void {
  if (json) {
    printJson(lab, print);
  } else {
    const changed = lab.changed.length > 0 ? `changed: ${lab.changed.join(', ')}` : 'nothing changed';
    print(`Lab in ${lab.dir}: ${lab.packageCount} RPMs, ${changed}`);
    print(`  treefile: ${lab.treefile}`);
  }
}
