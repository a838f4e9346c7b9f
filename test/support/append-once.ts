import processes from 'node:child_process';
import syncFs, { writeSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';
import { argv } from 'node:process';
import { NightlyError } from '../../src/base/errors.ts';
import { quietTask } from '../../src/base/task.ts';
import { appendToLog } from '../../src/publish/log/append.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import type { AppenderRequest } from './appender.ts';
import { notingKey } from './log-files.ts';

/** Appends entries to a log one after another: a process of its own, so that a test can kill it. What it signs is noted first. */
const request: AppenderRequest = JSON.parse(argv[2] ?? '');
const key = notingKey(request.signed);

/** Kills this process before the Nth change of a file, start of a program, or piece sent to one or over a network. */
function killBefore(nth: number): void {
  let count = 0;
  const next = (): void => {
    count += 1;
    if (count === nth) process.kill(process.pid, 'SIGKILL');
  };
  const around =
    <Args extends unknown[], Result>(call: (...args: Args) => Result) =>
    (...args: Args): Result => {
      next();
      return call(...args);
    };
  Object.assign(fs, { open: around(fs.open), rename: around(fs.rename), writeFile: around(fs.writeFile) });
  Object.assign(syncFs, { renameSync: around(syncFs.renameSync) });
  Object.assign(processes, { spawn: around(processes.spawn) });
  const { write } = Socket.prototype;
  Socket.prototype.write = function (this: Socket, ...args: Parameters<typeof write>) {
    next();
    return write.apply(this, args);
  } as typeof write;
  syncBuiltinESMExports();
}

const { killBefore: nth } = request;
if (nth !== undefined) killBefore(nth);
writeSync(1, 'ready\n');
const places = { home: openTarget(request.target), key, state: request.state };
for (const entry of request.entries) {
  for (let tries = 1; ; tries += 1) {
    try {
      await appendToLog([[Buffer.from(entry)]], places, quietTask());
      break;
    } catch (error) {
      // Another machine that does nothing else may keep this one out for long: whoever runs it runs it again.
      const isBusy = error instanceof NightlyError && ['locked', 'target-moved'].includes(error.code);
      if (!isBusy || tries === 20) throw error;
    }
  }
}
process.exit(0);
