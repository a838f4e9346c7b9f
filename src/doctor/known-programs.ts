import { constants } from 'node:fs/promises';
import { NightlyError } from '../base/errors.ts';
import { staticBusybox } from '../builders/static-busybox.ts';
import { run } from '../programs/exec.ts';
import { findProgram, mayAccess } from '../programs/find-program.ts';
import { FILES, type FileCheck, type Need, TOOLS, type ToolCheck } from './check-tools.ts';
import { type CheckResult, isAtLeast } from './doctor-check.ts';

/** Looks for every program and file that one of the needs asks for. */
export async function checkPrograms(needs: ReadonlySet<Need>): Promise<CheckResult[]> {
  const wanted = <Check extends { readonly neededBy: readonly Need[] }>(checks: readonly Check[]) =>
    checks.filter(({ neededBy }) => neededBy.some((need) => needs.has(need)));
  return await Promise.all([
    ...wanted(TOOLS).map((tool) => checkTool(tool, needs)),
    ...wanted(FILES).map((file) => checkFile(file, needs)),
    ...(needs.has('rebuilds') ? [checkBusybox()] : []),
  ]);
}

/** Whether a program is there and new enough. */
export async function checkTool(tool: ToolCheck, needs: ReadonlySet<Need>): Promise<CheckResult> {
  const name = tool.program;
  const bad = (detail: string): CheckResult => ({
    name,
    state: 'missing',
    detail: `${detail}; needed by: ${tool.neededBy.filter((need) => needs.has(need)).join(', ')}`,
    install: { debian: tool.debian, fedora: tool.fedora },
  });
  const fails = (words: string): CheckResult => {
    const found = bad(`does not work: ${words}${tool.runsOnly === undefined ? '' : `; it runs ${tool.runsOnly}`}`);
    // What is installed is not installed again; a module that an interpreter lacks is another package's.
    return tool.version?.of === undefined ? { ...found, install: undefined } : found;
  };
  if (!(await findProgram(name))) return bad('not installed');
  if (tool.version === undefined) return { name, state: 'ok', detail: 'installed' };
  const { args, pattern, atLeast, of } = tool.version;
  const named = (version: string) => (of === undefined ? version : `${of} ${version}`);
  try {
    const { stdout, stderr } = await run(name, args, { timeoutMs: 20_000 });
    const found = pattern.exec(stdout + stderr)?.[1];
    if (found === undefined) return bad(`does not say its version (${args.join(' ')})`);
    if (atLeast !== undefined && !isAtLeast(found, atLeast))
      return bad(`version ${named(found)} is older than ${atLeast}`);
    return { name, state: 'ok', detail: named(found) };
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    return fails(error.message.split('\n').at(-1) ?? '');
  }
}

async function checkFile(file: FileCheck, needs: ReadonlySet<Need>): Promise<CheckResult> {
  const found = await Promise.all(file.anyOf.map((path) => mayAccess(path, constants.R_OK)));
  const path = file.anyOf.find((_, index) => found[index]);
  if (path !== undefined) return { name: file.what, state: 'ok', detail: path };
  return {
    name: file.what,
    state: 'missing',
    detail: `no ${file.anyOf.join(' or ')}; needed by: ${file.neededBy.filter((need) => needs.has(need)).join(', ')}`,
    install: { debian: file.debian, fedora: file.fedora },
  };
}

/** What runs on builders must need no library of theirs: another busybox does not do. */
async function checkBusybox(): Promise<CheckResult> {
  const name = 'busybox';
  try {
    return { name, state: 'ok', detail: `${await staticBusybox()}, static` };
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    const detail = 'no static one; needed by: rebuilds';
    return { name, state: 'missing', detail, install: { debian: 'busybox-static', fedora: 'busybox' } };
  }
}
