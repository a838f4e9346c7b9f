import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { asNightlyError } from '../base/as-nightly-error.ts';
import { NightlyError } from '../base/errors.ts';
import { withFileSizeLimit } from '../base/file-size-limit.ts';
import { makeFolder } from '../base/files.ts';
import { withFullDisk } from '../base/full-disk.ts';
import { redact } from '../base/redact.ts';
import type { Task } from '../base/task.ts';
import { systemTemporary } from '../base/temporary.ts';
import type { Listener } from '../build/events.ts';
import { findDone, inputDigest, type Journal } from '../build/journal.ts';

/** Runs the steps of one build. */
export interface Runner {
  /**
   * Runs a step, or takes its recorded result when an earlier attempt finished it with the same input. `input` is what
   * the result depends on; input and result are plain JSON. A step that was killed runs again, so each step must be
   * safe to repeat (I4). `stillGood` can refuse a recorded result, for one that lies outside the journal and may be gone.
   */
  step<Output>(
    name: string,
    input: unknown,
    work: (task: Task) => Promise<Output>,
    stillGood?: (output: Output) => Promise<boolean>,
  ): Promise<Output>;
}

export interface RunnerOptions {
  readonly journal: Journal;
  readonly logDir: string;
  readonly signal: AbortSignal;
  readonly listen: Listener;
}

/** Returns a runner over a build's journal; each step logs to `<logDir>/<step>.log`. */
export function createRunner({ journal, logDir, signal, listen }: RunnerOptions): Runner {
  const known = [...journal.entries];
  return {
    async step<Output>(
      name: string,
      input: unknown,
      work: (task: Task) => Promise<Output>,
      stillGood: (output: Output) => Promise<boolean> = async () => true,
    ): Promise<Output> {
      signal.throwIfAborted();
      const digest = inputDigest(input);
      const done = findDone(known, name, digest);
      if (done && (await stillGood(done.output as Output))) {
        listen({ type: 'step-kept', step: name });
        return done.output as Output;
      }
      const begun = performance.now();
      const seconds = () => Math.round(performance.now() - begun) / 1000;
      const log = join(logDir, `${name}.log`);
      listen({ type: 'step-started', step: name, log });
      try {
        await makeFolder(logDir);
        await journal.append({ at: now(), event: 'start', step: name, input: digest });
        const output = await work(createTask(name, log, signal, listen));
        signal.throwIfAborted();
        const entry = { at: now(), event: 'done', step: name, input: digest, seconds: seconds(), output } as const;
        await journal.append(entry);
        known.push(entry);
        listen({ type: 'step-done', step: name, seconds: entry.seconds });
        return output;
      } catch (caught) {
        const error = signal.aborted ? interrupted(caught) : failureOf(caught, logDir);
        const { code, message } = error;
        error.step = name;
        listen({ type: 'step-failed', step: name, seconds: seconds(), code, message });
        // A full disk must not replace the failure by the failure to write it down.
        await journal
          .append({ at: now(), event: 'failed', step: name, input: digest, seconds: seconds(), code, message })
          .catch(() => undefined);
        throw error;
      }
    },
  };
}

function failureOf(caught: unknown, logDir: string): NightlyError {
  return withFileSizeLimit(withFullDisk(asNightlyError(caught, [logDir]), [logDir, systemTemporary()]));
}

function createTask(step: string, logFile: string, signal: AbortSignal, listen: Listener): Task {
  return {
    signal,
    logFile,
    say(line) {
      const text = redact(line);
      // Who looks months later why something was left out or replaced finds it beside what the programs printed.
      appendLine(logFile, `# ${text}`);
      listen({ type: 'step-line', step, line: text });
    },
    progress: (done, total, unit) => listen({ type: 'step-progress', step, done, total, unit }),
  };
}

/** A full disk must not hide what is said. */
function appendLine(file: string, line: string): void {
  try {
    appendFileSync(file, `${line}\n`);
  } catch {
    // It was told to whoever listens.
  }
}

const now = (): string => new Date().toISOString();

function interrupted(cause: unknown): NightlyError {
  if (cause instanceof NightlyError && cause.code === 'interrupted') return cause;
  return new NightlyError('interrupted', 'The run was interrupted.', {
    hint: 'Run "atomic-nightly resume" to continue where it stopped.',
    cause,
  });
}
