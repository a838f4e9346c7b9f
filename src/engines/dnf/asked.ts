import { createHash } from 'node:crypto';
import { constants, lstatSync, readdirSync, readFileSync, readlinkSync, type Stats } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { isErrno, withTemporaryFolder } from '../../base/files.ts';
import { codeFile } from '../../base/shipped.ts';
import type { Task } from '../../base/task.ts';
import { run } from '../../programs/exec.ts';

/** Watches a program and everything it starts; the comment at its top says how, and what the letters mean. */
const ASKED = codeFile('engines/dnf/asked.py');
const PYTHON = ['/usr/bin/python3', '-B', '-I'] as const;

/** Absolute path below the root, as it was asked for: links and `..` are still in it. */
const askedPath = z.string().startsWith('/');
/** What of a path was asked: `l`stat, `s`tat, `r`ead, `d` list a folder, `x`attr. */
const askedHow = z.string().regex(/^[lsrdx]+$/);

const reportSchema = z.object({
  complete: z.boolean(),
  reason: z.string().optional(),
  outside: z.array(askedPath),
  asked: z.record(askedPath, askedHow),
});

/** What a program asked a tree for. */
export interface Asked {
  /** Mount points whose content is not the tree's: /proc, /tmp. */
  readonly outside: readonly string[];
  /** Path to the letters of what was asked. */
  readonly asked: Readonly<Record<string, string>>;
}

/** argv that runs another in which a program is watched from its start on; `readReport` gives what it asked for. */
export function watched(
  argv: readonly string[],
  watch: { readonly program: string; readonly report: string },
): string[] {
  return [...PYTHON, ASKED, watch.report, watch.program, ...argv];
}

/** Returns what a watched program asked for, or the reason why that is not known. */
export async function readReport(path: string): Promise<Asked | { readonly unknown: string }> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT') || error instanceof SyntaxError) return { unknown: 'it left no report' };
    throw error;
  }
  const report = reportSchema.safeParse(parsed);
  if (!report.success) return { unknown: 'its report cannot be read' };
  const { complete, reason = 'the report is not complete', outside, asked } = report.data;
  if (!complete) return { unknown: reason };
  // Such a name cannot be looked up again: JavaScript's strings are Unicode.
  const odd = Object.keys(asked).find((name) => /\p{Surrogate}/u.test(name));
  return odd === undefined ? { outside, asked } : { unknown: 'a program asked for a name that is not UTF-8' };
}

/** Why programs cannot be watched on this machine; undefined where they can. */
export async function whyNotWatched(task: Task): Promise<string | undefined> {
  return await withTemporaryFolder(async (folder) => {
    const report = join(folder, 'report.json');
    const [command = '', ...args] = watched(['/bin/sh', '-c', ':'], { program: '/bin/sh', report });
    try {
      await run(command, args, { task });
    } catch (error) {
      if (!(error instanceof NightlyError)) throw error;
      return 'python3 cannot do it';
    }
    const found = await readReport(report);
    return 'unknown' in found ? found.unknown : undefined;
  });
}

/** What a tree answers. */
export interface Answers {
  /** One line for all letters of a path; two trees that give the same line gave a program the same answers. */
  of(path: string, how: string): string;
  /** Where a path leads to on the host, if there is something. */
  real(path: string): string | undefined;
  /** A path without links that was answered from and that has been written since all times were set to zero. */
  written(): string | undefined;
}

/**
 * Answers as the kernel gives them to a program that has the tree as its root: each path is resolved inside the tree,
 * one component after the other, and every link on the way is part of the answer. Of what is found count type,
 * permissions, owner and whether a file is empty; exact sizes and times do not (all times are the same while dracut
 * runs).
 * @param mayBeWritten real paths that `written` leaves out
 */
export function answers(root: string, outside: readonly string[], mayBeWritten: readonly string[] = []): Answers {
  const usrEtc = statOf(join(root, 'usr/etc'))?.isDirectory() === true;
  const mounts = new Set(outside);
  const known = new Map<string, Stats | undefined>();
  let wrote: string | undefined;
  // In a tree under work /etc is usr/etc.
  const onHost = (path: string): string =>
    join(root, usrEtc && (path === '/etc' || path.startsWith('/etc/')) ? `/usr${path}` : path);
  const look = (path: string): Stats | undefined => {
    if (known.has(path)) return known.get(path);
    const info = statOf(onHost(path));
    if (info && info.mtimeMs !== 0 && !mayBeWritten.includes(path)) wrote ??= path;
    known.set(path, info);
    return info;
  };

  /** @returns the real path (undefined when there is none, or outside), and the links on the way */
  function resolve(asked: string, follow: boolean): { readonly real?: string; readonly way: string } {
    const todo = asked.split('/').reverse();
    const last = (): boolean => todo.every((part) => part === '' || part === '.');
    const slash = /\/\.?$/.test(asked);
    let real = '';
    let way = '';
    let links = 0;
    while (todo.length > 0) {
      const part = todo.pop() ?? '';
      if (part === '' || part === '.') continue;
      if (part === '..') {
        real = real.slice(0, Math.max(0, real.lastIndexOf('/')));
        continue;
      }
      const next = `${real}/${part}`;
      if (mounts.has(next)) return { way: `${way}outside` };
      const info = look(next);
      if (!info) return { way: `${way}none` };
      if (info.isSymbolicLink() && (follow || slash || !last())) {
        const target = readlinkSync(onHost(next));
        links += 1;
        if (links > 40) return { way: `${way}loop` };
        way += `${JSON.stringify(target)} `;
        todo.push(...target.split('/').reverse());
        if (target.startsWith('/')) real = '';
        continue;
      }
      if (!info.isDirectory() && (slash || !last())) return { way: `${way}no folder` };
      real = next;
    }
    return { real: real === '' ? '/' : real, way };
  }

  return {
    of(path, how) {
      const lines: string[] = [];
      if (how.includes('l')) {
        const { real, way } = resolve(path, false);
        lines.push(way + (real === undefined ? '' : kindOf(look(real), onHost(real))));
      }
      if (/[srdx]/.test(how)) {
        const { real, way } = resolve(path, true);
        const info = real === undefined ? undefined : look(real);
        lines.push(way + (real === undefined ? '' : kindOf(info, onHost(real))));
        if (real !== undefined && info?.isFile() && how.includes('r')) lines.push(digest(readFileSync(onHost(real))));
        if (real !== undefined && info?.isDirectory() && how.includes('d')) lines.push(digest(namesOf(onHost(real))));
      }
      return lines.join(', ');
    },
    real(path) {
      const { real } = resolve(path, true);
      return real === undefined ? undefined : onHost(real);
    },
    written: () => wrote,
  };
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR') || isErrno(error, 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}

function kindOf(info: Stats | undefined, path: string): string {
  if (!info) return 'none';
  const common = `${info.mode.toString(8)} ${info.uid}:${info.gid}`;
  if (info.isSymbolicLink()) return `${common} ${JSON.stringify(readlinkSync(path))}`;
  return info.isFile() && info.size === 0 ? `${common} empty` : common;
}

/** Returns a folder's names with their types, as getdents(2) gives them. */
function namesOf(path: string): string {
  const entries = readdirSync(path).map((name) => {
    const type = (statOf(join(path, name))?.mode ?? 0) & constants.S_IFMT;
    return `${name}\0${type.toString(8)}`;
  });
  return entries.sort().join('\n');
}

/** BLAKE2b, half of it: as strong as SHA-256, and twice as fast on a processor without instructions for the latter. */
const digest = (content: Uint8Array | string): string =>
  createHash('blake2b512').update(content).digest().subarray(0, 32).toString('base64url');

/** Returns a digest of the extended attributes of some paths of the host; of links those of the link. */
export async function attributesOf(paths: readonly string[], task: Task): Promise<string> {
  if (paths.length === 0) return '';
  const [python, ...options] = PYTHON;
  const { stdout } = await run(python, [...options, '-c', ATTRIBUTES], { task, input: `${paths.join('\0')}\0` });
  return digest(stdout);
}

// Node.js cannot read them. A label is left out: here it is the build folder's, and the commit gets the policy's.
const ATTRIBUTES = `
import os, sys
for path in sys.stdin.buffer.read().split(b"\\0")[:-1]:
    try:
        names = sorted(os.listxattr(path, follow_symlinks=False))
    except OSError as error:
        print(error.errno)
        continue
    print([(name, os.getxattr(path, name, follow_symlinks=False)) for name in names if name != "security.selinux"])
`;
