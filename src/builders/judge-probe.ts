import { posix } from 'node:path';
import { FAR_FOLDER } from './far-machine.ts';
import { isFolderMode, isLinkMode, type KnownFile, type KnownGood } from './known-file.ts';
import type { ProbeReport } from './probe-report.ts';

/** Something on a machine that is not as the known-good set has it. */
export interface ProbeFinding {
  readonly kind:
    | 'changed-file'
    | 'changed-link'
    | 'mode'
    | 'owner'
    | 'unowned'
    | 'preload'
    | 'deleted-code'
    | 'unknown-code'
    | 'traced'
    | 'mount'
    | 'kernel-command-line'
    | 'kernel'
    | 'security-modules'
    | 'tpm';
  /** What it is about and what is wrong, as one sentence. */
  readonly message: string;
}

/** What is compared beside files: facts that no package states, as they were when the machine was first accepted. */
export interface Baseline {
  readonly commandLine: string;
  readonly securityModules: string;
}

/** Folders below which programs, libraries and what starts them are looked for: nothing there may be of no package. */
const SEARCHED =
  /^\/(usr\/(bin|sbin|lib|lib32|lib64|libexec|local)|bin|sbin|lib|lib32|lib64|etc\/(ld\.so\.conf\.d|cron[^/]*|systemd|profile\.d|modprobe\.d|modules-load\.d|udev)|var\/spool\/cron)\//;

/** Files below those that are made on the machine, from files that are compared themselves. */
const MADE_THERE: readonly RegExp[] = [
  /^\/usr\/lib\/locale\/locale-archive$/,
  /^\/usr\/lib\/modules\/[^/]+\/modules\.[a-z.]+$/,
  /\/gconv\/gconv-modules\.cache$/,
  /\/__pycache__\/[^/]+\.pyc$/,
  /^\/usr\/lib\/udev\/hwdb\.bin$/,
  /^\/usr\/lib\/fontconfig\/cache\//,
  /^\/usr\/lib\/sysimage\/(rpm|libdnf5)\//,
];

/** Where nothing may be mounted on top of what was compared, or of what the kernel says. */
const COVERED = /^\/(usr|etc|bin|sbin|lib|lib32|lib64|opt|root|proc|sys\/kernel\/security)(\/|$)/;
const KERNEL_MOUNTS = /^\/proc(\/sys\/fs\/binfmt_misc)?$|^\/sys\/kernel\/security$/;
/** How a machine that was booted from a commit has its own tree. */
const DEPLOYED = /^(\/ostree\/deploy\/[^/]+\/deploy\/[0-9a-f]{64}\.\d+)\/(usr|etc)$/;

/** Bits of "tainted" that stand for code in the kernel of nobody's repository: proprietary, forced, out of tree, unsigned, live patch. */
const FOREIGN_CODE = (1 << 0) | (1 << 1) | (1 << 12) | (1 << 13) | (1 << 15);
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const PERMISSIONS = 0o7777;
const SPECIAL = 0o6000;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Compares what a machine reports of itself with what is known to be good. It finds rot, drift and careless intruders. It proves
 * nothing against root: whoever controls the machine can answer for another one.
 * @param trusted digests of what was sent there
 * @returns what is wrong; nothing for a machine that may have a job
 */
export function judgeProbe(
  report: ProbeReport,
  known: KnownGood,
  { baseline, trusted }: { readonly baseline: Baseline | undefined; readonly trusted: ReadonlySet<string> },
): ProbeFinding[] {
  return [
    ...[...report.files].flatMap(([path, digest]) => judgeContent(path, digest, known)),
    ...[...report.stats].flatMap(([path, status]) => judgeStatus(path, status, known)),
    ...[...report.links].flatMap(([path, target]) => judgeLink(path, target, known)),
    ...judgeProcesses(report, known, trusted),
    ...judgeKernel(report, baseline),
    ...report.mounts.flatMap(judgeMount),
  ];
}

/** What a report says that no package states, for the next time. */
export const baselineOf = ({ commandLine, texts }: ProbeReport): Baseline => ({
  commandLine,
  securityModules: texts.get('/sys/kernel/security/lsm')?.join(' ') ?? '',
});

function judgeContent(path: string, digest: string, known: KnownGood): ProbeFinding[] {
  if (path === '/etc/ld.so.preload') {
    return digest === EMPTY ? [] : [{ kind: 'preload', message: `${path} loads libraries into every program` }];
  }
  const files = known.get(path);
  if (files === undefined) {
    const ours = !SEARCHED.test(path) || MADE_THERE.some((pattern) => pattern.test(path));
    return ours ? [] : [{ kind: 'unowned', message: `${path} is of no known package` }];
  }
  if (files.some((file) => file.config || file.digest === digest)) return [];
  return [{ kind: 'changed-file', message: `${path} is not what any known package has there` }];
}

function judgeStatus(
  path: string,
  { mode, uid }: { readonly mode: number; readonly uid: number },
  known: KnownGood,
): ProbeFinding[] {
  const files = known.get(path);
  const octal = (one: number) => (one & PERMISSIONS).toString(8).padStart(4, '0');
  if (files === undefined || files.some(({ config }) => config)) {
    if ((mode & SPECIAL) !== 0 && !isFolderMode(mode)) {
      return [{ kind: 'mode', message: `${path} runs as another user (mode ${octal(mode)}), and no package says so` }];
    }
    const guarded = files !== undefined || SEARCHED.test(path);
    if (!guarded || isLinkMode(mode) || (mode & WRITABLE_BY_OTHERS) === 0) return [];
    if (files?.some((file) => (file.mode & PERMISSIONS) === (mode & PERMISSIONS))) return [];
    return [{ kind: 'mode', message: `${path} can be changed by others than its owner (mode ${octal(mode)})` }];
  }
  // Links have no permissions of their own.
  const same = (file: KnownFile) => (isLinkMode(file.mode) ? isLinkMode(mode) : file.mode === (mode & 0xffff));
  if (!files.some(same)) {
    const wanted = [...new Set(files.map((file) => octal(file.mode)))].join(' or ');
    return [
      { kind: 'mode', message: `${path} has mode ${octal(mode)}, or is of another kind; it should be ${wanted}` },
    ];
  }
  if (files.some((file) => file.byRoot === (uid === 0))) return [];
  return [{ kind: 'owner', message: `${path} belongs to user ${uid}` }];
}

function judgeLink(path: string, target: string, known: KnownGood): ProbeFinding[] {
  const files = known.get(path);
  if (files === undefined) {
    if (!SEARCHED.test(path)) return [];
    const leadsTo = posix.resolve(posix.dirname(path), target);
    if (known.has(leadsTo) || target === '/dev/null') return [];
    return [
      { kind: 'unowned', message: `${path} is of no known package and leads to ${target}, which is of none either` },
    ];
  }
  if (files.some(({ config, link }) => config || link === target)) return [];
  return [
    { kind: 'changed-link', message: `${path} leads to ${target}, which is not where any known package has it lead` },
  ];
}

function judgeProcesses(report: ProbeReport, known: KnownGood, trusted: ReadonlySet<string>): ProbeFinding[] {
  const code = new Set(trusted);
  for (const files of known.values()) for (const { digest } of files) if (digest !== undefined) code.add(digest);
  const deleted = / \(deleted\)$/;
  const findings = new Map<string, ProbeFinding>();
  const add = (kind: ProbeFinding['kind'], message: string) => findings.set(message, { kind, message });
  for (const { pid, digest, path } of report.processes) {
    // One that ended while it was looked at.
    if (digest === '') continue;
    if (deleted.test(path)) add('deleted-code', `process ${pid} runs ${path}`);
    else if (!code.has(digest)) add('unknown-code', `process ${pid} runs ${path}, which is of no known package`);
  }
  for (const { pid, path } of report.maps) {
    if (path.startsWith(`${FAR_FOLDER}/busybox`)) continue;
    if (deleted.test(path)) add('deleted-code', `process ${pid} has code of ${path}`);
    else if (!known.has(path)) add('unknown-code', `process ${pid} has code of ${path}, which is of no known package`);
  }
  for (const pid of report.traced) add('traced', `process ${pid} is traced by another`);
  return [...findings.values()];
}

function judgeKernel(report: ProbeReport, baseline: Baseline | undefined): ProbeFinding[] {
  const findings: ProbeFinding[] = [];
  const now = baselineOf(report);
  if (baseline !== undefined && baseline.commandLine !== now.commandLine) {
    const message = `the kernel command line is "${now.commandLine}"; it was "${baseline.commandLine}"`;
    findings.push({ kind: 'kernel-command-line', message });
  }
  if (baseline !== undefined && baseline.securityModules !== now.securityModules) {
    const message = `the security modules are "${now.securityModules}"; they were "${baseline.securityModules}"`;
    findings.push({ kind: 'security-modules', message });
  }
  for (const { name, flags } of report.modules) {
    findings.push({ kind: 'kernel', message: `the kernel has the module ${name}, which taints it (${flags})` });
  }
  if ((report.tainted & FOREIGN_CODE) !== 0 && report.modules.length === 0) {
    findings.push({
      kind: 'kernel',
      message: `the kernel is tainted (${report.tainted}) by code that was loaded into it`,
    });
  }
  const probes = report.texts.get('/sys/kernel/debug/kprobes/list') ?? [];
  if (probes.length > 0) findings.push({ kind: 'kernel', message: `the kernel has ${probes.length} kprobes` });
  return findings;
}

function judgeMount({ root, point }: { readonly root: string; readonly point: string }): ProbeFinding[] {
  if (!COVERED.test(point) || KERNEL_MOUNTS.test(point)) return [];
  if (DEPLOYED.test(root) && root.endsWith(point)) return [];
  return [{ kind: 'mount', message: `something is mounted at ${point}, over what packages have there` }];
}
