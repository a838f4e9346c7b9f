import type { NightlyError } from '../base/errors.ts';
import type { Job } from './job.ts';
import type { SourcePackage } from './source-package.ts';

/** A job that no machine has, with why those that had it gave it up. */
export interface Waiting {
  readonly source: SourcePackage;
  /** It has the attempts that were made so far. */
  job: Job;
  readonly tried: Map<string, NightlyError>;
  /** Commit of the build root, where it must be that of another job. */
  readonly root?: string;
  /** The machine that an earlier run gave it to: it is asked first. */
  readonly holder?: string;
}

/** Jobs that wait for a machine, and those that one has and may have to give back. */
export interface JobQueue {
  add(one: Waiting): void;
  /** Resolves with a job that a machine has not tried yet; undefined once no other can come back. */
  take(machine: string): Promise<Waiting | undefined>;
  /** Says that a machine is done with a job, whether it was added again or not. */
  done(one: Waiting): void;
}

/** Returns a queue without jobs. */
export function jobQueue(): JobQueue {
  const waiting: Waiting[] = [];
  const inHand = new Set<Waiting>();
  let wake: (() => void)[] = [];
  const changed = () => {
    for (const resume of wake) resume();
    wake = [];
  };
  return {
    add: (one) => void waiting.push(one),
    done(one) {
      inHand.delete(one);
      changed();
    },
    async take(machine) {
      const mayCome = ({ tried }: Waiting) => !tried.has(machine);
      const isFor = (one: Waiting) =>
        mayCome(one) && (one.holder === undefined || one.holder === machine || one.tried.has(one.holder));
      for (;;) {
        const index = waiting.findIndex(isFor);
        const [one] = index < 0 ? [] : waiting.splice(index, 1);
        if (one !== undefined) inHand.add(one);
        if (one !== undefined || ![...inHand, ...waiting].some(mayCome)) return one;
        await new Promise<void>((resume) => wake.push(resume));
      }
    },
  };
}
