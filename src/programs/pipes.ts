import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { temporaryPrefix } from '../base/temporary.ts';

/**
 * Real pipes between this program and those it starts. Node gives a child *sockets* as standard input and output, which
 * some programs take for something else: rpm-ostree before 2021 for the journal, so that it ends on the first %post.
 * Node cannot make a pipe, but it can open a FIFO and treat it as one. FIFOs are made many at a time, since each time costs
 * the start of a program, have no name from then on, and serve once: a descendant of a child that still has its end
 * cannot meet the next one.
 */
export interface PipeEnd {
  /** The child's end. Close it here with `closeSync` as soon as the child is started, or the pipe never ends. */
  readonly fd: number;
  /** Our end, as Node's streams. */
  readonly ours: Socket;
}

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;
/** open(2): a descriptor that only names the file; Node has no constant for it. */
const O_PATH = 0o10000000;
/** Starting `mkfifo` for 32 costs what starting any program costs: below 0.2 ms each. */
const BATCH = 32;

const nameless: number[] = [];

/** Returns a pipe that a child writes into. @throws NightlyError `tool-missing` without `mkfifo`. */
export function outputPipe(): PipeEnd {
  return withFifo((path) => {
    const mine = openSync(path, O_RDONLY | O_NONBLOCK);
    const fd = openSync(path, O_WRONLY);
    return { fd, ours: new Socket({ fd: mine, readable: true, writable: false }) };
  });
}

/** Returns a pipe that a child reads from. @throws NightlyError `tool-missing` without `mkfifo`. */
export function inputPipe(): PipeEnd {
  return withFifo((path) => {
    // A FIFO is opened for writing at once only while somebody reads.
    const first = openSync(path, O_RDONLY | O_NONBLOCK);
    const mine = openSync(path, O_WRONLY | O_NONBLOCK);
    // The child's own description: were it the first, the child would not wait for input.
    const fd = openSync(path, O_RDONLY);
    closeSync(first);
    return { fd, ours: new Socket({ fd: mine, readable: false, writable: true }) };
  });
}

function withFifo(use: (path: string) => PipeEnd): PipeEnd {
  if (nameless.length === 0) nameless.push(...makeFifos());
  const fifo = nameless.pop();
  if (fifo === undefined) throw new NightlyError('bug', 'No pipe was made.');
  try {
    return use(`/proc/self/fd/${fifo}`);
  } finally {
    closeSync(fifo);
  }
}

function makeFifos(): number[] {
  const folder = mkdtempSync(temporaryPrefix('pipes'));
  try {
    const paths = Array.from({ length: BATCH }, (_, index) => join(folder, String(index)));
    const { status, error } = spawnSync('/usr/bin/mkfifo', ['-m', '600', ...paths], { stdio: 'ignore' });
    if (status === 0) return paths.map((path) => openSync(path, O_PATH));
    throw new NightlyError('tool-missing', `No pipes can be made: mkfifo ${error?.message ?? `gave ${status}`}.`, {
      hint: `/usr/bin/mkfifo (coreutils) must be there, and ${tmpdir()} must be writable.`,
      cause: error,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
