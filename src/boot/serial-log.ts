import { open, stat } from 'node:fs/promises';
import { NightlyError } from '../base/errors.ts';
import { isErrno } from '../base/files.ts';

const TAIL_BYTES = 16 * 1024;

/** Returns the last lines of a serial log without terminal control sequences; empty when nothing was written. */
export async function lastSerialLines(path: string, count: number): Promise<string[]> {
  const text = await tailOfFile(path);
  return withoutControl(text)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(-count);
}

/**
 * Returns what a terminal would show, more or less: colours, cursor moves and bells left out, returns taken as line
 * ends.
 */
export function withoutControl(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
      .replace(/\u001b(?:\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[A-Za-z=>])/g, '')
      .replace(/\r+\n?/g, '\n')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '')
  );
}

/** Bytes in a serial log; 0 when there is none yet. */
export async function serialSize(path: string): Promise<number> {
  return (await statIfExists(path))?.size ?? 0;
}

/** Whether a login prompt was printed after the first `skip` bytes: the system is up, or nearly. */
export async function serialAsksForLogin(path: string, skip: number): Promise<boolean> {
  return /login: *$/m.test(withoutControl(await tailOfFile(path, skip)));
}

/**
 * What a machine says that came up for nobody: systemd without what its file system table asks for (emergency.service and
 * sulogin), dracut without a root, a kernel that stopped.
 */
const ENDS: readonly (readonly [RegExp, string])[] = [
  [/You are in (?:emergency|rescue) mode|the root account is locked/, 'it came up in emergency mode'],
  [/Entering emergency mode\. Exit the shell to continue/, 'its initramfs found no root file system'],
  [/Kernel panic - not syncing/, 'its kernel panicked'],
];

/** Lines that give a reason, the likeliest first. */
const REASONS = [
  /^\[(?: TIME |FAILED)\] (.+)$/m,
  /(Kernel panic - not syncing: .+)$/m,
  /(Warning: \S+ does not exist)$/m,
  /^\[DEPEND\] (.+)$/m,
];

/** Before an end, no more than this is looked at for its reason. */
const BOOT_BYTES = 1024 * 1024;

/**
 * Returns why nobody will ever log in to a machine, as the end of a sentence, if it has said so on its serial line.
 * @param from bytes of an earlier boot, which is not looked at
 * @param since bytes that were looked at before, without an end in them
 */
export async function bootFault(path: string, from: number, since: number): Promise<string | undefined> {
  // A line may have been half written when it was looked at.
  const recent = withoutControl(await tailOfFile(path, Math.max(from, since - 200), BOOT_BYTES));
  const [, end] = ENDS.find(([pattern]) => pattern.test(recent)) ?? [];
  if (end === undefined) return undefined;
  const boot = withoutControl(await tailOfFile(path, from, BOOT_BYTES));
  const [reason] = REASONS.flatMap((pattern) => pattern.exec(boot)?.[1] ?? []);
  return reason === undefined ? end : `${end}: ${reason.trim().replace(/\.$/, '')}`;
}

async function tailOfFile(path: string, skip = 0, most = TAIL_BYTES): Promise<string> {
  const size = await serialSize(path);
  const start = Math.max(skip, size - most);
  if (start >= size) return '';
  const file = await open(path, 'r');
  try {
    const bytes = Buffer.alloc(size - start);
    await file.read(bytes, 0, bytes.length, start);
    return bytes.toString('utf8');
  } finally {
    await file.close();
  }
}

async function statIfExists(path: string): Promise<{ readonly size: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Returns an error about a machine that did not do what it should, with what it said last on its serial line. */
export async function machineFault(vm: { readonly serialLog: string }, what: string): Promise<NightlyError> {
  const lines = await lastSerialLines(vm.serialLog, 15);
  const said =
    lines.length === 0 ? 'Its serial line stayed silent.' : `Last on its serial line:\n  ${lines.join('\n  ')}`;
  return new NightlyError('gate-failed', `${what}\n${said}`, {
    hint: `The full serial output is in ${vm.serialLog}.`,
    log: vm.serialLog,
  });
}
