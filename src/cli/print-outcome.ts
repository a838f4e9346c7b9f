import type { Outcome } from '../pipelines/nightly.ts';
import type { NightlyPlan } from '../pipelines/plan-nightly.ts';
import { formatDiff } from '../rpm/pkgdiff.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import { type Printer, printJson } from './print.ts';

/** How a build ended, and what to do next. */
export function printOutcome(project: Project, build: Build, outcome: Outcome, json: boolean, print: Printer): void {
  if (json) printJson({ build: build.id, ref: project.ref, ...outcome }, print);
  else for (const line of outcomeLines(project.ref, build.id, outcome)) print(line);
}

function outcomeLines(ref: string, id: string, outcome: Outcome): string[] {
  switch (outcome.state) {
    case 'unchanged':
      return [`Unchanged: ${outcome.why}. Nothing was built.`];
    case 'complete':
      if (outcome.failures.length > 0) {
        return [
          `Build ${id} stays complete, but:`,
          ...outcome.failures.map(({ step, message }) => `  ${step}: ${message}`),
          `  what to do: atomic-nightly log ${id} STEP, then the same command again`,
        ];
      }
      return [
        `Build ${id} is complete: commit ${outcome.commit} at ${ref}`,
        `  what changed: atomic-nightly show ${id}`,
      ];
    case 'stopped': {
      const { after, commit, left, failures } = outcome;
      if (commit === undefined) {
        return [
          `Build ${id} is stopped after ${after}, as asked; nothing is published. Still to be done: ${left.join(', ')}.`,
          `  to continue: atomic-nightly resume ${id}`,
        ];
      }
      return [
        `Build ${id} is done as far as asked: the tree is published as ${commit}.`,
        ...(left.length === 0 ? [] : [`  images that are not there yet: ${left.join(', ')}`]),
        ...failures.map(({ step, message }) => `  elsewhere, ${step}: ${message}`),
        `  to continue: atomic-nightly resume ${id}, or on any machine atomic-nightly images ${id} --only TYPE`,
      ];
    }
    case 'incomplete':
    case 'gate-failed':
      return [
        `Build ${id} is ${outcome.state}: the tree is published as ${outcome.commit}, but:`,
        ...outcome.failures.map(({ step, message }) => `  ${step}: ${message}`),
        `  what to do: atomic-nightly log ${id} STEP, then atomic-nightly resume ${id}`,
      ];
  }
}

/** What a dry run found. */
export function printPlan(plan: NightlyPlan, json: boolean, print: Printer): void {
  if (json) {
    printJson(plan, print);
  } else {
    print(`A nightly build of ${plan.ref} on top of ${plan.parent ?? 'nothing (a new ref)'}:`);
    print(plan.unchanged ? '  unchanged: nothing would be built' : formatDiff(plan.pkgdiff));
  }
}
