import type { Lab } from '../lab/build-lab.ts';
import { type Printer, printJson } from './print.ts';

/** What was made of a lab distribution. */
export function printLab(lab: Lab, json: boolean, print: Printer): void {
  if (json) {
    printJson(lab, print);
  } else {
    const changed = lab.changed.length > 0 ? `changed: ${lab.changed.join(', ')}` : 'nothing changed';
    print(`Lab in ${lab.dir}: ${lab.packageCount} RPMs, ${changed}`);
    print(`  treefile:     ${lab.treefile}`);
    print(`  repositories: ${lab.repoFile}; their key: ${lab.publicKey}`);
  }
}
