import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { doctor as doctorCommand } from '../../src/cli/commands/doctor.ts';
import { parseConfig } from '../../src/config/load.ts';
import { checkAddresses } from '../../src/doctor/check-addresses.ts';
import { checkFolderEngines, checkNamedFiles, checkRpmOstrees } from '../../src/doctor/check-host.ts';
import { FILES, TOOLS } from '../../src/doctor/check-tools.ts';
import { isAtLeast } from '../../src/doctor/doctor-check.ts';
import { reportLines } from '../../src/doctor/doctor-report.ts';
import { checkPrograms, checkTool } from '../../src/doctor/known-programs.ts';
import { allNeeds, needsOf } from '../../src/doctor/needs.ts';
import { isServiceRunning, takeServiceLock } from '../../src/service/service-lock.ts';
import { temporaryFolder } from '../support/tmp.ts';

interface Report {
  readonly ok: boolean;
  readonly checks: readonly { readonly name: string; readonly state: string; readonly detail: string }[];
  readonly install: { readonly debian?: string; readonly fedora?: string };
}

async function doctor(config: string): Promise<{ code: number; report: Report }> {
  const { code, text } = await runDoctor(config, true);
  return { code, report: JSON.parse(text) as Report };
}

async function runDoctor(config: string, json: boolean): Promise<{ code: number; text: string }> {
  let text = '';
  const print = (part: string): void => {
    text += part;
  };
  const { signal } = new AbortController();
  const code = await doctorCommand.run({ json }, { config, logFormat: 'auto', signal, print });
  return { code, text };
}

async function listen(): Promise<string> {
  const server = createServer((_, response) => {
    response.writeHead(404).end();
  });
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done);
  });
  onTestFinished(
    () =>
      new Promise<void>((done) => {
        server.close(() => done());
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function writeConfig(folder: string, target: string): string {
  writeFileSync(join(folder, 'host.yaml'), 'ref: a\n');
  const path = join(folder, 'atomic-nightly.yaml');
  const stream = '{treefile: host.yaml, targets: [web]}';
  writeFileSync(path, `name: lab\nengine: dnf\ntargets:\n  web: ${target}\nstreams:\n  nightly: ${stream}\n`);
  return path;
}

test('a small configuration on this machine: all there, exit code 0, and only what it needs is asked for', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'www'));
  const { code, report } = await doctor(writeConfig(folder, `{type: directory, path: www, url: "${await listen()}"}`));
  expect(report.checks.filter(({ state }) => state === 'missing')).toEqual([]);
  expect(code).toBe(0);
  expect(report.ok).toBe(true);
  const names = report.checks.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(['configuration', 'ostree', '/usr/bin/python3', 'target web', 'URL of web']),
  );
  for (const name of ['qemu-img', 'rsync', 'createrepo_c', 'KVM']) expect(names).not.toContain(name);
});

test('what cannot be reached or is not there is named, and the exit code is 1', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'password'), 'x');
  chmodSync(join(folder, 'password'), 0o644);
  const url = await listen();
  const target = `{type: rsync, destination: "rsync://127.0.0.1:1/x", password-file: password, url: "${url.replace(/\d+$/, '1')}"}`;
  const { code, report } = await doctor(writeConfig(folder, target));
  expect(code).toBe(1);
  const missing = Object.fromEntries(
    report.checks.filter(({ state }) => state === 'missing').map(({ name, detail }) => [name, detail]),
  );
  expect(Object.keys(missing)).toEqual(expect.arrayContaining(['password of web', 'target web', 'URL of web']));
  expect(missing['password of web']).toContain('chmod 600');
  expect(missing['URL of web']).toMatch(/does not answer .*Start the web server of the target/);
});

test('a faulty configuration is reported with its places', async () => {
  const folder = temporaryFolder();
  const path = writeConfig(folder, '{type: directory, path: www}');
  const { code, text } = await runDoctor(path, false);
  expect(code).toBe(1);
  expect(text).toContain(`${path}:4:8: targets.web: "url" is missing; it must be text.`);
});

test('a missing or too old program says who needs it and what installs it', async () => {
  const tool = { program: 'no-such-program', neededBy: ['base', 'lab'], debian: 'deb', fedora: 'fed' } as const;
  const needs = new Set(['base'] as const);
  const absent = await checkTool(tool, needs);
  expect(absent).toEqual({
    name: 'no-such-program',
    state: 'missing',
    detail: 'not installed; needed by: base',
    install: { debian: 'deb', fedora: 'fed' },
  });
  const version = { args: ['--version'], pattern: /(\d+\.\d+)/, atLeast: '999.0' };
  const old = await checkTool({ ...tool, program: 'tar', version }, needs);
  expect(old).toMatchObject({ state: 'missing', detail: expect.stringMatching(/^version \d.* is older than 999.0/) });
  expect(reportLines([absent, old])).toEqual([
    'missing  no-such-program  not installed; needed by: base',
    expect.stringMatching(/^missing {2}tar {14}version/),
    '',
    '2 things needed are missing.',
    '  on Debian:  apt-get install --no-install-recommends deb',
    '  on Fedora:  dnf install fed',
  ]);
});

test('what is installed and does not work is not to be installed again', async () => {
  const version = { args: ['-c', 'echo "cannot make / a slave" >&2; exit 1'], pattern: /(\d+)/ };
  const tool = { program: 'sh', neededBy: ['base'], debian: 'deb', fedora: 'fed', version } as const;
  const needs = new Set(['base'] as const);
  const broken = await checkTool({ ...tool, runsOnly: 'as root' }, needs);
  expect(broken.detail).toBe('does not work: cannot make / a slave; it runs as root; needed by: base');
  expect(reportLines([broken]).join('\n')).not.toMatch(/apt-get|dnf install/);
  // A module that an interpreter lacks does come with a package.
  const module = await checkTool({ ...tool, version: { ...version, of: 'a module' } }, needs);
  expect(reportLines([module]).join('\n')).toContain('apt-get install --no-install-recommends deb');
});

test('every program in the list answers with a version that is understood on this machine', async () => {
  const results = await checkPrograms(allNeeds(false, true));
  // These are asked for by a configuration alone.
  const listed = TOOLS.filter(({ program }) => !['umount', 'curl'].includes(program));
  expect(results).toHaveLength(listed.length + FILES.length + 1);
  expect(results.filter(({ detail }) => /does not (say|work)/.test(detail))).toEqual([]);
});

test('needs follow the configuration', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'host.yaml'), 'ref: a\n');
  const config = parseConfig(
    `name: lab
targets:
  a: {type: rsync, destination: "host:/x", url: "http://localhost"}
streams:
  nightly: {treefile: host.yaml, targets: [a], images: [generic-cloud], smoke-test: {}, seed: {gpg-keys: [k]}}
`,
    join(folder, 'c.yaml'),
  );
  const common = ['base', 'images', 'smoke test', 'seed signatures', 'target rsync', 'target ssh'];
  expect(await needsOf(config, false)).toEqual(new Set([...common, 'engine dnf']));
  expect(await needsOf(config, true)).toEqual(new Set([...common, 'engine rpm-ostree']));
  const overSsh = parseConfig(
    `name: lab
targets:
  a: {type: ssh, destination: "host:/x", ssh: {identity-file: key}, url: "http://localhost"}
streams:
  nightly: {treefile: host.yaml, targets: [a], smoke-test: false}
`,
    join(folder, 'c.yaml'),
  );
  expect(await needsOf(overSsh, false)).toEqual(new Set(['base', 'engine dnf', 'target ssh', 'target ssh with tar']));
  const content = parseConfig(
    `name: lab
targets: {a: {type: directory, path: www, url: "http://localhost"}}
streams: {nightly: {treefile: host.yaml, targets: [a], smoke-test: false}}
koji: {server: 'https://koji.example.org/kojihub', topurl: 'https://koji.example.org/kojifiles'}
content:
  keys: {storage: {type: openpgp, key-file: storage.key}}
  rules: [{tags: <sig><release>-<project>-release, level: release, target: a, path: <release>/<sig>/<arch>/<project>}]
`,
    join(folder, 'c.yaml'),
  );
  expect(await needsOf(content, true)).toEqual(new Set(['base', 'engine rpm-ostree', 'content']));
  // What its repositories are verified with: dnf's Python modules.
  expect(TOOLS.find(({ program }) => program === '/usr/bin/python3')?.neededBy).toContain('content');
  expect(await checkNamedFiles(overSsh)).toMatchObject([{ name: 'ssh key of a', state: 'missing' }]);
});

test('each stream is checked for the engine that composes it', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'host.yaml'), 'ref: a\n');
  const text = (engines: readonly [string, string]) => `name: lab
engine: auto
targets: {a: {type: directory, path: www, url: "http://localhost:1"}}
streams:
  one: {treefile: host.yaml, ref: one, engine: ${engines[0]}, targets: [a]}
  two: {treefile: host.yaml, ref: two, engine: ${engines[1]}, targets: [a]}
`;
  const needs = async (...engines: readonly [string, string]) =>
    [...(await needsOf(parseConfig(text(engines), join(folder, 'c.yaml')), false))].filter((one) => /engine/.test(one));
  expect(await needs('dnf', 'auto')).toEqual(['engine dnf']);
  expect(await needs('dnf', '{type: rpm-ostree, command: [stand-in]}')).toEqual(['engine dnf', 'engine rpm-ostree']);
  const config = parseConfig(text(['auto', '{type: rpm-ostree, command: [not-here-at-all]}']), join(folder, 'c.yaml'));
  // The first is composed by dnf, as no rpm-ostree is installed: nobody needs it.
  expect(await checkRpmOstrees(config, false)).toMatchObject([{ name: 'not-here-at-all', state: 'missing' }]);
});

test('the program and the folder that a stream is made by are looked for', async () => {
  const folder = temporaryFolder();
  const text = `name: lab
targets: {a: {type: directory, path: www, url: "http://localhost:1"}}
streams:
  one: {engine: {type: command, command: [./make], inputs: {command: [not-here-at-all]}}, ref: one, targets: [a]}
  two: {engine: {type: checkout, path: tree}, ref: two, targets: [a]}
`;
  const config = parseConfig(text, join(folder, 'c.yaml'));
  writeFileSync(join(folder, 'make'), '#!/bin/sh\n', { mode: 0o755 });
  expect((await checkFolderEngines(config)).map(({ state }) => state)).toEqual(['ok', 'missing', 'note']);
  mkdirSync(join(folder, 'tree'));
  expect((await checkFolderEngines(config)).at(-1)).toMatchObject({ name: 'folder of two', state: 'ok' });
  expect([...(await needsOf(config, false))].filter((need) => /engine/.test(need))).toEqual([]);
});

test('an address that another program has is named; one that the running service has is in order', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'host.yaml'), 'ref: a\n');
  const taken = new URL(await listen()).port;
  const [broker, web] = [await freePort(), await freePort()];
  const config = parseConfig(
    `name: lab
targets: {a: {type: directory, path: www, url: "http://127.0.0.1:${web}/x", serve: true}}
streams: {nightly: {treefile: host.yaml, targets: [a], smoke-test: false}}
service: {listen: "127.0.0.1:${taken}", mqtt: {listen: "127.0.0.1:${broker}", password-file: users}}
`,
    join(folder, 'c.yaml'),
  );
  const another = `another program listens on 127.0.0.1:${taken}: "ss -ltnp" shows which; stop it, or set "service.listen" to a free port`;
  const others = [
    { name: 'address of the broker', state: 'ok', detail: `127.0.0.1:${broker} is free` },
    { name: 'web server of a', state: 'ok', detail: `127.0.0.1:${web} is free` },
  ];
  const name = 'address of the service';
  const found = async () => checkAddresses(config, await isServiceRunning(config.work));
  expect(await found()).toEqual([{ name, state: 'missing', detail: another }, ...others]);
  const free = await takeServiceLock(config.work);
  const ours = `127.0.0.1:${taken}, while the service of this work folder runs`;
  expect(await found()).toEqual([{ name, state: 'ok', detail: ours }, ...others]);
  await free();
  const away = { ...config, service: { ...config.service, listen: { host: '192.0.2.1', port: broker } } };
  expect((await checkAddresses(away, true))[0]).toMatchObject({
    state: 'missing',
    detail: expect.stringContaining('set "service.listen" to an address of this machine'),
  });
});

test('doctor looks at the addresses of a configuration that is for a service', async () => {
  const folder = temporaryFolder();
  const path = writeConfig(folder, `{type: directory, path: www, url: "${await listen()}"}`);
  const taken = new URL(await listen()).host;
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, `${text}service: {listen: "${taken}", trigger: {token-hash-file: tokens}}\n`);
  const { code, report } = await doctor(path);
  expect(report.checks).toContainEqual(expect.objectContaining({ name: 'address of the service', state: 'missing' }));
  expect(code).toBe(1);
  writeFileSync(path, `${text}service: {listen: "${taken}"}\n`);
  expect((await doctor(path)).report.checks.map(({ name }) => name)).not.toContain('address of the service');
});

test('versions compare as numbers', () => {
  expect(isAtLeast('2022.7', '2020.10')).toBe(true);
  expect(isAtLeast('3.9', '3.10')).toBe(false);
  expect(isAtLeast('4.14', '4.14')).toBe(true);
  const version = fc.array(fc.nat(30), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.'));
  fc.assert(fc.property(version, version, (a, b) => isAtLeast(a, b) || isAtLeast(b, a)));
});

test('with rpm-ostree, doctor says before a night what the release cannot do with the treefile, and looks for its keys', async () => {
  const folder = temporaryFolder();
  const stand = fileURLToPath(new URL('../support/stand-in-rpm-ostree.mjs', import.meta.url));
  writeFileSync(join(folder, 'state.json'), JSON.stringify({ version: '2020.8', packages: {} }));
  vi.stubEnv('RPM_OSTREE_STAND_IN', folder);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  mkdirSync(join(folder, 'www'));
  const path = writeConfig(folder, `{type: directory, path: www, url: "${await listen()}"}`);
  writeFileSync(join(folder, 'host.yaml'), 'ref: a\npreserve-passwd: false\nrpmdb: target\n');
  const config = parseConfig(
    readFileSync(path, 'utf8').replace('engine: dnf', `engine: {type: rpm-ostree, command: ["${stand}"]}`),
    path,
  );
  const checks = await checkRpmOstrees(config, false);
  const keys = checks.find(({ name }) => name === 'keys in /etc/pki/rpm-gpg');
  expect(keys).toMatchObject(
    existsSync('/etc/pki/rpm-gpg')
      ? { state: expect.stringMatching(/ok|note/) }
      : { state: 'missing', detail: expect.stringContaining('run: mkdir -p /etc/pki/rpm-gpg') },
  );
  expect(checks.at(-1)).toMatchObject({
    name: 'treefile of nightly',
    state: 'missing',
    detail: expect.stringMatching(
      /host\.yaml:3:8: the value "target" of "rpmdb" needs rpm-ostree 2021\.9; write "sqlite"/,
    ),
  });
});
