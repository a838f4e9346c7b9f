import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { sha256Hex } from '../build/record-values.ts';
import { packageFile } from './result.ts';

/** How a job is doing on a builder. */
export interface JobState {
  /** `run`; `gone` when its processes are and it left no exit code; otherwise its exit code. */
  readonly state: 'run' | 'gone' | number;
  /** Processor time of its processes, in the kernel's ticks. */
  readonly ticks: number;
  /** Bytes of its log. */
  readonly logSize: number;
}

const fault = (machine: string, what: string): NightlyError =>
  new NightlyError('verify', `${machine} sends ${what} that cannot be read.`, {
    hint: 'Check that nothing on that machine prints before or after what is asked of it.',
  });

/** Parses the first line that `poll` gives. @throws NightlyError `verify` */
export function parseJobState(line: string, machine: string): JobState {
  const [, state = '', ticks = '', size = ''] = /^(run|gone|\d{1,3}) (\d{1,15}) (\d{1,15})$/.exec(line) ?? [];
  if (state === '') throw fault(machine, 'a state of the job');
  return {
    state: state === 'run' || state === 'gone' ? state : Number(state),
    ticks: Number(ticks),
    logSize: Number(size),
  };
}

/** A package as a builder announces it. */
export interface AnnouncedPackage {
  readonly file: string;
  readonly sha256: string;
  readonly size: number;
}

const announced = z.object({ file: packageFile, sha256: sha256Hex, size: z.int().min(1) });

/** Parses what `sign` gives: a line for each package, `.`, and the signature in base64. @throws NightlyError `verify` */
export function parseCommitment(
  text: string,
  machine: string,
): { readonly packages: readonly AnnouncedPackage[]; readonly signature: string } {
  const lines = text.split('\n');
  const dot = lines.indexOf('.');
  if (dot < 0) throw fault(machine, 'a list of packages');
  const packages = lines.slice(0, dot).map((line) => {
    const [, sha256, size, file] = /^(\S+) (\d{1,15}) (\S+)$/.exec(line) ?? [];
    const parsed = announced.safeParse({ file, sha256, size: Number(size) });
    if (!parsed.success) throw fault(machine, 'a list of packages');
    return parsed.data;
  });
  if (new Set(packages.map(({ file }) => file)).size !== packages.length) throw fault(machine, 'a list of packages');
  const signature = lines.slice(dot + 1).join('');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(signature)) {
    throw new NightlyError('verify', `${machine} does not sign its result.`, {
      hint: 'Its operator should try the command that signs ("sign" of the machine in the configuration) there.',
    });
  }
  return { packages, signature };
}
