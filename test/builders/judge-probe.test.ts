import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type Baseline, judgeProbe } from '../../src/builders/judge-probe.ts';
import { joinKnown, type KnownFile } from '../../src/builders/known-file.ts';
import { parseProbe } from '../../src/builders/probe-report.ts';

// Each kind of tampering on real machines is in test/e2e/rebuild-refusals.test.ts.

const GOOD = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

const file = (changes: Partial<KnownFile> = {}): KnownFile => ({
  mode: 0o100755,
  byRoot: true,
  config: false,
  digest: GOOD,
  ...changes,
});
const KNOWN = joinKnown([
  ['/bin', { mode: 0o120777, byRoot: true, config: false, link: 'usr/bin' }],
  ['/bin/sh', file()],
  ['/usr/bin/old', file()],
  ['/usr/bin/old', file({ digest: 'c'.repeat(64) })],
  ['/usr/bin/awk', { mode: 0o120777, byRoot: true, config: false, link: 'mawk' }],
  ['/usr/bin', { mode: 0o040755, byRoot: true, config: false }],
  ['/etc/passwd', file({ mode: 0o100644, config: true, digest: undefined })],
]);
const BASELINE: Baseline = { commandLine: 'quiet', securityModules: 'lockdown' };
const HEAD = ['link /bin usr/bin'];
const TAIL = ['kernel 6.1', 'cmdline quiet', 'tainted 0', 'text /sys/kernel/security/lsm lockdown'];

function findings(lines: readonly string[], tail: readonly string[] = TAIL): string[] {
  const report = parseProbe([...HEAD, ...lines, ...tail, 'end', ''].join('\n'), 'alpha');
  return judgeProbe(report, KNOWN, { baseline: BASELINE, trusted: new Set() }).map(({ kind }) => kind);
}

it.each<[string, readonly string[]]>([
  [
    'a file as its package has it, where the package says /bin and /bin is a link',
    [`file ${GOOD}  /usr/bin/sh`, 'stat 81ed 0 0 /usr/bin/sh'],
  ],
  ['one of several versions', [`file ${'c'.repeat(64)}  /usr/bin/old`]],
  ['a configuration file with content of its own', [`file ${OTHER}  /etc/passwd`, 'stat 8180 0 0 /etc/passwd']],
  ['an empty ld.so.preload', [`file ${EMPTY}  /etc/ld.so.preload`]],
  ['a file that no program is looked for at', [`file ${OTHER}  /usr/share/x`]],
  ['what depmod makes', [`file ${OTHER}  /usr/lib/modules/6.1/modules.dep`]],
  ['a link that is switched on', ['to /etc/systemd/system/x.wants/y -> /usr/bin/sh']],
  ['a process of a package', [`exe 1 ${GOOD} /usr/bin/sh`, 'map 1 /usr/bin/sh', 'tracer 1 0']],
  ['a process that ended meanwhile', ['exe 1  ']],
  ['the mounts of any machine', ['mount 1 0 8:1 / / rw - ext4 x rw', 'mount 2 1 0:5 / /proc rw - proc x rw']],
  ['the /usr of a deployment', [`mount 2 1 8:1 /ostree/deploy/os/deploy/${GOOD}.0/usr /usr ro - ext4 x rw`]],
])('right: %s', (_, lines) => {
  expect(findings(lines)).toEqual([]);
});

it.each<[string, string, readonly string[]]>([
  ['changed-file', 'a changed file', [`file ${OTHER}  /usr/bin/sh`]],
  ['changed-link', 'a changed link', ['to /usr/bin/awk -> evil']],
  ['mode', 'a link that became a file', [`stat 81ed 0 0 /usr/bin/awk`]],
  ['mode', 'a program that runs as root', ['stat 89ed 0 0 /usr/bin/sh']],
  ['mode', 'another one that no package has', ['stat 89ed 0 0 /opt/x']],
  ['mode', 'a configuration file that all may write', ['stat 81b6 0 0 /etc/passwd']],
  ['owner', 'another owner', ['stat 81ed 1000 0 /usr/bin/sh']],
  ['unowned', 'a program of no package', [`file ${GOOD}  /usr/local/bin/sh`]],
  ['unowned', 'a link to one', ['to /usr/lib/x.so -> /tmp/x.so']],
  ['unowned', 'a unit', [`file ${GOOD}  /etc/systemd/system/x.service`]],
  ['preload', 'ld.so.preload', [`file ${GOOD}  /etc/ld.so.preload`]],
  ['deleted-code', 'a program that was deleted', [`exe 7 ${GOOD} /usr/bin/sh (deleted)`]],
  ['deleted-code', 'a library that was deleted', ['map 7 /usr/lib/x.so (deleted)']],
  ['unknown-code', 'a program of no package that runs', [`exe 7 ${OTHER} /tmp/x`]],
  ['unknown-code', 'a library of none', ['map 7 /tmp/x.so']],
  ['traced', 'a process that is traced', ['tracer 7 9']],
  ['mount', 'a mount over /usr', ['mount 1 0 8:1 /x /usr/bin rw - ext4 x rw']],
  ['mount', 'a mount over what the kernel says', ['mount 1 0 8:1 /x /proc/cmdline rw - ext4 x rw']],
  ['kernel', 'a module of nobody', ['module rootkit OE']],
  ['kernel', 'kprobes', ['text /sys/kernel/debug/kprobes/list ffffffff k do_exit+0x0']],
])('%s: %s', (kind, _, lines) => {
  expect(findings(lines)).toEqual([kind]);
});

it('the kernel, as it was at the first check', () => {
  const tail = (one: string) => TAIL.map((line) => (line.split(' ')[0] === one.split(' ')[0] ? one : line));
  expect(findings([], tail('cmdline quiet init=/bin/sh'))).toEqual(['kernel-command-line']);
  expect(findings([], tail('text /sys/kernel/security/lsm none'))).toEqual(['security-modules']);
  expect(findings([], tail('tainted 4096'))).toEqual(['kernel']);
});

it.each([
  ['without its end', 'cmdline x\n'],
  ['with a newline in a name', `file ${GOOD}  /usr/bin/a\nb\nend\n`],
  ['of another program', '<html>\nend\n'],
])('a report %s is refused', (_, text) => {
  expect(() => parseProbe(text, 'alpha')).toThrow('alpha is refused');
});

it('what runs on builders is at most 120 lines, comments apart', () => {
  const lines = ['far.sh', 'probe.sh'].flatMap((name) => readFileSync(`src/builders/${name}`, 'utf8').split('\n'));
  expect(lines.filter((line) => !/^\s*(#.*)?$/.test(line)).length).toBeLessThanOrEqual(120);
});
