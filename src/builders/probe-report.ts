import { NightlyError } from '../base/errors.ts';

/** What the probe found on a machine: nothing of it is believed but compared (probe.sh). */
export interface ProbeReport {
  /** SHA-256 by path. */
  readonly files: ReadonlyMap<string, string>;
  readonly stats: ReadonlyMap<string, { readonly mode: number; readonly uid: number; readonly gid: number }>;
  /** What symbolic links lead to, by path. */
  readonly links: ReadonlyMap<string, string>;
  readonly processes: readonly { readonly pid: number; readonly digest: string; readonly path: string }[];
  /** Files that processes have mapped as code. */
  readonly maps: readonly { readonly pid: number; readonly path: string }[];
  /** Processes that another one traces. */
  readonly traced: readonly number[];
  readonly kernel: string;
  readonly commandLine: string;
  /** Bits of /proc/sys/kernel/tainted. */
  readonly tainted: number;
  /** Modules that taint the kernel, with their flags. */
  readonly modules: readonly { readonly name: string; readonly flags: string }[];
  readonly mounts: readonly { readonly root: string; readonly point: string }[];
  /** Lines of files of the kernel that only some machines have, by path. */
  readonly texts: ReadonlyMap<string, readonly string[]>;
}

/** A real machine has some hundred thousand files. */
const MOST_LINES = 5_000_000;

/**
 * Reads what the probe printed.
 * @throws NightlyError `gate-failed` for a line that is of no known form, such as one with a part of a name that has a newline in it,
 *   and for a report without its end: what cannot be read cannot be compared.
 */
export function parseProbe(text: string, machine: string): ProbeReport {
  const lines = text.split('\n');
  const files = new Map<string, string>();
  const stats = new Map<string, { mode: number; uid: number; gid: number }>();
  const links = new Map<string, string>();
  const texts = new Map<string, string[]>();
  const processes: { pid: number; digest: string; path: string }[] = [];
  const maps: { pid: number; path: string }[] = [];
  const traced: number[] = [];
  const modules: { name: string; flags: string }[] = [];
  const mounts: { root: string; point: string }[] = [];
  let [kernel, commandLine, tainted] = ['', '', 0];
  const take: Readonly<Record<string, readonly [RegExp, (...parts: string[]) => void]>> = {
    file: [/^([0-9a-f]{64}) {2}(\/.*)$/, (digest, path) => files.set(path, digest)],
    stat: [
      /^([0-9a-f]{1,8}) (\d+) (\d+) (\/.*)$/,
      (mode, uid, gid, path) =>
        stats.set(path, { mode: Number.parseInt(mode, 16), uid: Number(uid), gid: Number(gid) }),
    ],
    link: [/^(\/\S*) (.+)$/, (path, target) => links.set(path, target)],
    to: [/^(\/.*?) -> (.*)$/, (path, target) => links.set(path, target)],
    exe: [/^(\d+) ([0-9a-f]{64})? ?(.*)$/, (pid, digest, path) => processes.push({ pid: Number(pid), digest, path })],
    map: [/^(\d+) (\/.*)$/, (pid, path) => maps.push({ pid: Number(pid), path })],
    tracer: [/^(\d+) (\d+)$/, (pid, tracer) => tracer !== '0' && traced.push(Number(pid))],
    kernel: [/^(.+)$/, (release) => (kernel = release)],
    cmdline: [/^(.*)$/, (line) => (commandLine = line)],
    tainted: [/^(\d{1,10})$/, (bits) => (tainted = Number(bits))],
    module: [/^(\S+) ([A-Z]+)$/, (name, flags) => modules.push({ name, flags })],
    mount: [/^\d+ \d+ \d+:\d+ (\/\S*|\w+:\S*) (\/\S*) .*$/, (root, point) => mounts.push({ root, point })],
    text: [/^(\/\S+) (.*)$/, (path, line) => texts.set(path, [...(texts.get(path) ?? []), line])],
  };
  const bad = (why: string) =>
    new NightlyError('gate-failed', `${machine} is refused: its report ${why}.`, {
      hint: 'Nothing of a job was sent. A file there may have a newline in its name; else ask its operator.',
    });
  if (lines.length > MOST_LINES) throw bad('is longer than that of any machine');
  if (lines.at(-1) !== '' || lines.at(-2) !== 'end') throw bad('has no end');
  for (const line of lines.slice(0, -2)) {
    const space = line.indexOf(' ');
    const known = Object.hasOwn(take, line.slice(0, space)) ? take[line.slice(0, space)] : undefined;
    const parts = known?.[0].exec(line.slice(space + 1));
    if (!known || !parts) throw bad(`has a line that cannot be read: ${JSON.stringify(line.slice(0, 120))}`);
    known[1](...parts.slice(1).map((part) => part ?? ''));
  }
  return { files, stats, links, processes, maps, traced, kernel, commandLine, tainted, modules, mounts, texts };
}
