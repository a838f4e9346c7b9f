import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NightlyError } from '../../src/base/errors.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { findReleaseStream, findStream, refOf, targetsOf } from '../../src/config/lookup.ts';
import { servedAt } from '../../src/config/serve-target.ts';
import { temporaryFolder } from '../support/tmp.ts';

const SMALL = `name: lab-atomic-host
targets:
  buildlogs: {type: directory, path: /srv/atomic/, url: "http://localhost:8080/"}
streams:
  nightly:
    treefile: host.yaml
    arch: x86_64
    targets: [buildlogs]
`;

async function write(text: string): Promise<string> {
  const folder = temporaryFolder();
  await writeFile(join(folder, 'host.yaml'), 'ref: lab/x86_64/host\n');
  const path = join(folder, 'atomic-nightly.yaml');
  await writeFile(path, text);
  return path;
}

/** The faults of a text, without the file's folder in front. */
async function faultsOf(text: string): Promise<string[]> {
  const path = await write(text);
  try {
    await loadConfig(path);
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    expect(error.code).toBe('config');
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.replaceAll(path, 'FILE').replaceAll(join(path, '..'), 'DIR'));
  }
  return [];
}

test('a small file is filled up with defaults and absolute paths', async () => {
  const path = await write(SMALL);
  const config = await loadConfig(path);
  const folder = join(path, '..');
  expect(config).toMatchObject({
    path,
    name: 'lab-atomic-host',
    work: join(folder, 'work'),
    engine: { type: 'auto' },
    targets: {
      buildlogs: { type: 'directory', name: 'buildlogs', path: '/srv/atomic', url: 'http://localhost:8080' },
    },
    streams: {
      nightly: {
        name: 'nightly',
        treefile: join(folder, 'host.yaml'),
        arch: 'x86_64',
        seed: { url: 'http://localhost:8080/repo', allowNew: false, gpgKeys: [] },
        targets: ['buildlogs'],
        remote: { name: 'lab-atomic-host', url: 'http://localhost:8080/repo' },
        osName: 'lab-atomic-host',
        images: [],
        smokeTest: false,
        allowDowngrades: [],
        retention: { builds: 30 },
      },
    },
  });
  expect(config.streams['nightly']).not.toHaveProperty('ref');
});

test('a full file is read as written', async () => {
  const path = await write(`name: lab
work: ../elsewhere
engine: {type: rpm-ostree, command: [podman, run, image, rpm-ostree]}
targets:
  mirror:
    type: rsync
    destination: nightly@mirror.example.org:/srv/atomic/
    ssh: {identity-file: keys/id, known-hosts-file: keys/hosts, port: 2222}
    bandwidth-limit: 2M
    url: https://mirror.example.org/atomic
  module:
    type: rsync
    destination: rsync://push@mirror.example.org:8873/atomic
    password-file: keys/password
    url: https://mirror.example.org/module
    retention:
      refs: {'*/release': {age: 52w}, '*': {depth: 30}}
      images: 30d
      grace: 2d
  shell:
    type: ssh
    destination: nightly@mirror.example.org:/srv/other/
    ssh: {port: 22}
    url: https://mirror.example.org/other
  bucket:
    type: s3
    bucket: atomic
    prefix: centos/7
    endpoint: https://s3.example.org/
    url: https://cdn.example.org
streams:
  nightly:
    treefile: host.yaml
    ref: lab/\${basearch}/nightly
    arch: aarch64
    seed: {url: file:///srv/repo, allow-new: true, gpg-keys: [keys/a.asc]}
    targets: [mirror, module]
    remote: {name: lab-atomic, url: https://cdn.example.org/repo/}
    os-name: lab-host
    images: [generic-cloud]
    smoke-test: {timeout: 120, allow-degraded: [{unit: a.service, reason: no hardware}]}
    allow-downgrades: [bash]
    max-metadata-age: 14d
    signing: {type: gpg-agent, home: keys/gnupg, key: 0123456789abcdef0123456789abcdef01234567}
    deltas: [parent, scratch, {ref: 'lab/\${basearch}/release'}]
    retention: {builds: 5}
`);
  const folder = join(path, '..');
  const config = await loadConfig(path);
  expect(config.work).toBe(join(folder, '../elsewhere'));
  expect(config.engine).toEqual({ type: 'rpm-ostree', command: ['podman', 'run', 'image', 'rpm-ostree'] });
  expect(config.targets).toEqual({
    mirror: {
      type: 'rsync',
      name: 'mirror',
      destination: 'nightly@mirror.example.org:/srv/atomic',
      ssh: { identityFile: join(folder, 'keys/id'), knownHostsFile: join(folder, 'keys/hosts'), port: 2222 },
      bandwidthLimit: '2M',
      url: 'https://mirror.example.org/atomic',
    },
    module: {
      type: 'rsync',
      name: 'module',
      destination: 'rsync://push@mirror.example.org:8873/atomic',
      ssh: {},
      passwordFile: join(folder, 'keys/password'),
      url: 'https://mirror.example.org/module',
      retention: {
        refs: [
          { pattern: '*/release', ageSeconds: 52 * 604_800 },
          { pattern: '*', depth: 30 },
        ],
        imagesSeconds: 30 * 86_400,
        graceSeconds: 2 * 86_400,
      },
    },
    shell: {
      type: 'ssh',
      name: 'shell',
      destination: 'nightly@mirror.example.org:/srv/other',
      ssh: { port: 22 },
      url: 'https://mirror.example.org/other',
    },
    bucket: {
      type: 's3',
      name: 'bucket',
      bucket: 'atomic',
      prefix: 'centos/7',
      endpoint: 'https://s3.example.org',
      region: 'us-east-1',
      parallel: 32,
      url: 'https://cdn.example.org',
    },
  });
  const stream = findStream(config, undefined);
  expect(stream).toEqual({
    name: 'nightly',
    treefile: join(folder, 'host.yaml'),
    engine: { type: 'rpm-ostree', command: ['podman', 'run', 'image', 'rpm-ostree'] },
    bootable: true,
    ref: 'lab/aarch64/nightly',
    arch: 'aarch64',
    seed: { url: 'file:///srv/repo', allowNew: true, gpgKeys: [join(folder, 'keys/a.asc')] },
    targets: ['mirror', 'module'],
    remote: { name: 'lab-atomic', url: 'https://cdn.example.org/repo' },
    provenance: { signatures: false },
    osName: 'lab-host',
    images: ['generic-cloud'],
    imagePrefix: 'lab',
    vagrantBox: 'lab-nightly',
    smokeTest: {
      images: ['generic-cloud'],
      timeoutSeconds: 120,
      allowDegraded: [{ unit: 'a.service', reason: 'no hardware' }],
    },
    allowDowngrades: ['bash'],
    maxMetadataAgeSeconds: 14 * 86_400,
    signing: [{ type: 'gpg-agent', home: join(folder, 'keys/gnupg'), key: '0123456789ABCDEF0123456789ABCDEF01234567' }],
    deltas: ['parent', 'scratch', { ref: 'lab/aarch64/release' }],
    retention: { builds: 5 },
  });
  expect(targetsOf(config, stream).map(({ name }) => name)).toEqual(['mirror', 'module']);
});

test('every fault is reported at once, each with its place and the nearest known word', async () => {
  expect(
    await faultsOf(`name: lab host
engine: dfn
work: ~/work
targets:
  buildlogs: {type: directory, path: /srv/atomic, url: file:///srv/atomic}
  other:
    type: rsynk
  mirror:
    type: rsync
    destination: nightly@mirror.example.org
    password: hunter2
    url: http://mirror.example.org
  bare:
    path: /srv/bare
streams:
  nightly:
    treefile: host.yaml
    traget: [buildlogs]
    targets: []
    arch: x86-64
    smoke-test: true
    max-metadata-age: 1 day
    retention: {builds: 0}
    images: [7]
    seed:
      gpg-key: [a]
  unfinished:
`),
  ).toEqual([
    'FILE:1:7: name: "lab host" must start with a letter or digit and hold only letters, digits, ".", "_" and "-".',
    'FILE:2:9: engine: expected auto or dnf or rpm-ostree or a map of keys, found "dfn". Did you mean "dnf"?',
    'FILE:3:7: work: "~" and variables are not expanded here: write the path out, absolute or relative to the folder of this file.',
    'FILE:5:56: targets.buildlogs.url: "file:///srv/atomic" must be an http:// or https:// URL that clients can reach.',
    'FILE:7:11: targets.other.type: expected directory or rsync or ssh or s3, found "rsynk". Did you mean "rsync"?',
    'FILE:10:18: targets.mirror.destination: "nightly@mirror.example.org" must be user@host:/absolute/path (over ssh) or rsync://host/module/path (rsync daemon).',
    'FILE:11:5: targets.mirror: "password" looks like a secret. Secrets are not written here; a "…-file" key names the file.',
    'FILE:13:3: targets.bare: "type" is missing; it must be directory or rsync or ssh or s3.',
    'FILE:18:5: streams.nightly: unknown key "traget". Did you mean "targets"?',
    'FILE:19:14: streams.nightly.targets: needs at least one target.',
    'FILE:20:11: streams.nightly.arch: expected x86_64 or aarch64 or ppc64le or s390x, found "x86-64". Did you mean "x86_64"?',
    'FILE:21:17: streams.nightly.smoke-test: expected false or a map of keys, found true.',
    'FILE:22:23: streams.nightly.max-metadata-age: "1 day" must be a whole number with m, h, d or w, as in 36h or 14d.',
    'FILE:23:25: streams.nightly.retention.builds: must be at least 1.',
    'FILE:24:14: streams.nightly.images.0: expected text, found 7.',
    'FILE:26:7: streams.nightly.seed: unknown key "gpg-key". Did you mean "gpg-keys"?',
    'FILE:27:3: streams.unfinished: expected a map of keys, found nothing.',
  ]);
});

test('a key that may be of several kinds and is not there is named as missing', async () => {
  expect(
    await faultsOf(`name: lab
work: /srv/work
targets:
  a: {type: directory, path: /srv/a, url: "http://localhost:1"}
streams:
  nightly: {ref: x/x86_64/y, engine: {type: command, command: [make-tree]}, targets: [a]}
`),
  ).toEqual(['FILE:6:38: streams.nightly.engine: "inputs" is missing; it must be a map of keys.']);
});

test('rules over several values are checked in the same pass, even when other parts have faults', async () => {
  expect(
    await faultsOf(`name: lab
work: /srv/work
engine: {type: rpm-ostree}
targets:
  a: {type: directory, path: /srv, url: "http://localhost:1"}
  b: {type: directory, path: /srv/../srv/, url: "http://localhost:2"}
  c: {type: directory, path: /srv/work/repo/x, url: "http://localhost:2"}
  d: {type: rsync, destination: "host:/x", password-file: p, url: "http://localhost:3"}
  e: {type: rsync, destination: "rsync://host/x", ssh: {port: 1}, url: "http://localhost:4"}
streams:
  one: {treefile: host.yaml, arch: x86_64, targets: [a, d, a, bb]}
  two: {treefile: ./host.yaml, arch: x86_64, targets: [d], images: [generic-clod, iso, iso]}
  three: {treefile: missing.yaml, targets: [e], smoke-test: {images: [generic-cloud]}}
  four: {treefile: host.yaml, ref: 'x/\${basearch}', arch: x86_64, targets: [e]}
  five: {treefile: host.yaml, ref: x/x86_64, targets: [b, e], smoke-test: {}}
`),
  ).toEqual([
    'FILE:3:9: engine: "command" is missing; it must be a list.',
    'FILE:5:30: targets.a.path: must not hold the work folder /srv/work: caches and unfinished builds would be published.',
    'FILE:6:30: targets.b.path: must not hold the work folder /srv/work: caches and unfinished builds would be published.',
    'FILE:6:30: targets.b.path: is the same place as that of target "a".',
    'FILE:7:30: targets.c.path: must not lie in /srv/work/repo, which the work folder uses itself.',
    'FILE:8:59: targets.d.password-file: is for rsync://host/module/path only; a destination over ssh takes ssh.identity-file.',
    'FILE:9:56: targets.e.ssh: is for user@host:/path only; an rsync:// destination takes a password-file.',
    'FILE:11:60: streams.one.targets.2: "a" is named twice.',
    'FILE:11:63: streams.one.targets.3: there is no target "bb". Did you mean "b"?',
    'FILE:12:8: streams.two: has the same ref on target "d" as stream "one"; give one of them another "ref".',
    'FILE:12:69: streams.two.images.0: there is no image type "generic-clod". Did you mean "generic-cloud"?',
    'FILE:12:88: streams.two.images.2: "iso" is named twice.',
    'FILE:13:21: streams.three.treefile: there is no file DIR/missing.yaml.',
    'FILE:13:61: streams.three.smoke-test: boots images, but the stream has none.',
    'FILE:13:71: streams.three.smoke-test.images.0: "generic-cloud" is not among the stream\'s images.',
    'FILE:15:36: streams.five.ref: has the same ref on target "e" as stream "four"; give one of them another "ref".',
    'FILE:15:75: streams.five.smoke-test: boots images, but the stream has none.',
  ]);
});

test('I11: a password in a URL or destination is refused', async () => {
  const faults = await faultsOf(`name: lab
targets:
  a: {type: rsync, destination: "rsync://me:hunter2@host/x", url: "http://me:hunter2@localhost"}
streams:
  one: {treefile: host.yaml, targets: [a], seed: {url: "https://me:hunter2@host/repo"}}
`);
  expect(faults).toHaveLength(3);
  for (const fault of faults) {
    expect(fault).toContain('must not hold a password');
    expect(fault).not.toContain('hunter2');
  }
});

test('broken YAML is reported with every place', async () => {
  expect(await faultsOf('name: a\nname: b\ntargets: {a: [1, 2}\nwork: c\n')).toEqual([
    expect.stringMatching(/^FILE:2:1: this key stands in its map a second time/),
    expect.stringMatching(/^FILE:3:/),
    expect.stringMatching(/^FILE:3:/),
  ]);
  expect(await faultsOf('')).toEqual(['FILE:1:1: expected a map of keys, found nothing.']);
  expect(await faultsOf('- a\n')).toEqual(['FILE:1:1: expected a map of keys, found a list.']);
});

test('a wrong indentation is one fault, in words for whoever wrote the file', async () => {
  expect(await faultsOf('targets:\n  a:\n   type: directory\n    path: ./a\n    url: http://a\n')).toEqual([
    expect.stringMatching(/^FILE:3:10: a "key: value" where no key can begin: indent the line/),
  ]);
  expect(await faultsOf('name: a\ntargets:\n\ta: {}\n  b: {}\n')).toEqual([
    expect.stringMatching(/^FILE:3:1: a tab indents this line/),
  ]);
});

test('a missing or unreadable file is said so', async () => {
  const folder = temporaryFolder();
  await expect(loadConfig(join(folder, 'none.yaml'))).rejects.toMatchObject({
    code: 'config',
    message: `There is no configuration file ${join(folder, 'none.yaml')}.`,
    hint: expect.stringContaining('atomic-nightly init'),
  });
  await mkdir(join(folder, 'dir.yaml'));
  await expect(loadConfig(join(folder, 'dir.yaml'))).rejects.toMatchObject({
    code: 'config',
    hint: expect.stringContaining(join(folder, 'dir.yaml', 'atomic-nightly.yaml')),
  });
});

test('a YAML alias keeps the place of what it stands for', async () => {
  expect(
    await faultsOf(`${SMALL.replace('targets: [buildlogs]', 'targets: &t [buildlogs, nowhere]')}  second:
    treefile: host.yaml
    ref: x
    targets: *t
`),
  ).toEqual([
    'FILE:8:29: streams.nightly.targets.1: there is no target "nowhere". Targets here: buildlogs.',
    'FILE:8:29: streams.second.targets.1: there is no target "nowhere". Targets here: buildlogs.',
  ]);
});

test('streams are found by name, or alone, and a ref must come from somewhere', async () => {
  const path = await write(SMALL);
  const config = await loadConfig(path);
  const stream = findStream(config, 'nightly');
  expect(() => findStream(config, 'nihgtly')).toThrow('There is no stream "nihgtly". Did you mean "nightly"?');
  expect(() => findStream(config, 'constructor')).toThrow('There is no stream "constructor".');
  expect(refOf(config, stream, 'lab/${basearch}/host')).toBe('lab/x86_64/host');
  expect(() => refOf(config, stream, undefined)).toThrow('Neither the stream "nightly" nor its treefile has a ref.');
  expect(config.placeOf('streams', 'nightly', 'ref')).toEqual({ file: path, line: 5, column: 3 });
});

test('whatever is written, the answer is a configuration or faults with places', async () => {
  const path = await write(SMALL);
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom('name', 'engine', 'targets', 'streams', 'work'), (value, key) => {
      const text = JSON.stringify({ name: 'a', targets: {}, streams: {}, [key]: value }, null, 1);
      try {
        parseConfig(text, path);
      } catch (error) {
        if (!(error instanceof NightlyError)) throw error;
        expect(error.code).toBe('config');
        for (const line of error.message.split('\n').slice(1)) expect(line).toMatch(/:\d+:\d+: ./);
      }
    }),
    { numRuns: 300 },
  );
});

test('signers: each kind, and two of them while one key takes over from another', async () => {
  const path = await write(`${SMALL}    signing:
      - {type: openpgp, key-file: keys/a.key, passphrase-credential: signing}
      - {type: command, command: [./sign, atomic 2026], public-key-file: keys/b.asc, timeout: 5}
`);
  const folder = join(path, '..');
  const { streams } = await loadConfig(path);
  expect(streams['nightly']?.signing).toEqual([
    { type: 'openpgp', keyFile: join(folder, 'keys/a.key'), passphrase: { credential: 'signing' } },
    {
      type: 'command',
      command: [join(folder, 'sign'), 'atomic 2026'],
      publicKeyFile: join(folder, 'keys/b.asc'),
      timeoutSeconds: 5,
      retries: 4,
    },
  ]);
  const one = async (signing: string) => (await loadConfig(await write(`${SMALL}    signing: ${signing}\n`))).streams;
  expect((await one('{type: openpgp, key-file: /k, passphrase-env: WORDS}'))['nightly']?.signing).toEqual([
    { type: 'openpgp', keyFile: '/k', passphrase: { env: 'WORDS' } },
  ]);
  expect((await one('{type: openpgp, key-file: /k}'))['nightly']?.signing).toEqual([
    { type: 'openpgp', keyFile: '/k' },
  ]);
});

test('signers: faults are told with their places', async () => {
  const faults = async (signing: string) => faultsOf(`${SMALL}    signing: ${signing}\n`);
  expect(await faults('{type: openpgp, key-file: k, passphrase-file: a, passphrase-env: B}')).toEqual([
    'FILE:9:79: streams.nightly.signing.passphrase-env: is one too many: there is passphrase-file already.',
  ]);
  expect(await faults('{type: openpgp, key-file: k, passphrase: geheim}')).toEqual([
    expect.stringContaining('"passphrase" looks like a secret'),
  ]);
  expect(await faults('{type: gpg, key: k}')).toEqual([
    'FILE:9:21: streams.nightly.signing.type: expected gpg-agent or openpgp or command, found "gpg".',
  ]);
  expect(await faults('[{type: command, command: [], public-key-file: k}]')).toEqual([
    'FILE:9:40: streams.nightly.signing.0.command: needs at least the program.',
  ]);
  const key = '{type: openpgp, key-file: k}';
  expect(await faults(`[${key}, ${key}, ${key}]`)).toEqual([expect.stringContaining('streams.nightly.signing')]);
});

const RELEASE = `${SMALL}  release:
    promotes-from: nightly
    ref: 'lab/\${basearch}/release'
    targets: [buildlogs]
`;

test('a release stream has the treefile and architecture of its nights, and a cycle in days', async () => {
  const path = await write(`${RELEASE}    rpm-keys: [host.yaml]
    approvals: 2
    cycle: {start: 1970-01-08, upstream: {releases: {1970-01-22: special}}}
`);
  const { streams } = await loadConfig(path);
  expect(streams['release']).toMatchObject({
    ...{ treefile: join(path, '../host.yaml'), arch: 'x86_64', ref: 'lab/x86_64/release' },
    release: {
      ...{ promotesFrom: 'nightly', rpmKeys: [join(path, '../host.yaml')], approvals: 2 },
      cycle: {
        ...{ startDay: 7, weeks: 4 },
        upstream: { startDay: 7, weeks: 2, id: '{date}', releases: new Map([[21, 'special']]) },
      },
    },
  });
  expect(streams['nightly']).not.toHaveProperty('release');
  const config = await loadConfig(path);
  expect(findStream(config, undefined).name).toBe('nightly');
  expect(findReleaseStream(config, { name: undefined, from: 'nightly' }).name).toBe('release');
  expect(() => findReleaseStream(config, { name: 'nightly', from: 'nightly' })).toThrow('is a nightly stream');
  const plain = await loadConfig(await write(SMALL));
  expect(() => findReleaseStream(plain, { name: undefined, from: 'nightly' })).toThrow(
    'No stream promotes from "nightly"',
  );
});

test('upstream is one source, whole; limits need one', async () => {
  const upstream = async (text: string) => {
    const faults = await faultsOf(`${RELEASE}    cycle: {start: 2026-01-06, upstream: {${text}}}\n`);
    return faults.map((fault) => fault.replace(/^.*cycle\.upstream\./, ''));
  };
  expect(await upstream('repo: https://example.org/repo')).toEqual(['repo: needs a "ref" beside it.']);
  expect(await upstream('packages: https://example.org/list, stream: nightly')).toEqual([
    'stream: must not stand beside "packages": there is one upstream.',
  ]);
  expect(await upstream('max-missing: 0')).toEqual([
    'max-missing: needs "repo" and "ref", "packages" or "stream": what to compare with.',
  ]);
  expect(await upstream('stream: nihgtly')).toEqual([expect.stringContaining('stream: there is no stream "nihgtly".')]);
});

test('what does not go with a release stream, or only with one', async () => {
  const faults = await faultsOf(`${RELEASE}    treefile: host.yaml
    arch: aarch64
  second:
    promotes-from: release
    targets: [buildlogs]
    cycle: {start: 2026-01-06, weeks: 4, upstream: {weeks: 3}}
  third: {promotes-from: nihgtly, ref: x/y, targets: [buildlogs]}
  fourth: {targets: [buildlogs], rpm-keys: [a], approvals: 1, cycle: {start: 2026-01-06}}
  fifth: {promotes-from: nightly, ref: z/y, targets: [buildlogs], cycle: {start: 2026-02-30}}
  sixth: {promotes-from: nightly, ref: w/y, targets: [buildlogs], release: {tree: [buildlogs]}}
`);
  expect(faults).toEqual([
    'FILE:13:15: streams.release.treefile: must not be set: a promotion is built from the treefile of its nightly build.',
    'FILE:14:11: streams.release.arch: is not that of "nightly", whose nightly builds are promoted.',
    'FILE:15:3: streams.second: needs a "ref" of its own, because the treefile has that of the nightly.',
    'FILE:16:20: streams.second.promotes-from: "release" is a release stream itself; name the nightly stream.',
    'FILE:18:60: streams.second.cycle.upstream.weeks: must divide cycle.weeks (4), so that each candidate has an upstream release of its own.',
    'FILE:19:26: streams.third.promotes-from: there is no stream "nihgtly". Did you mean "nightly"?',
    'FILE:20:11: streams.fourth: needs a "treefile", or "promotes-from" to be a release stream.',
    'FILE:20:44: streams.fourth.rpm-keys: is for a stream with "promotes-from" only.',
    'FILE:20:60: streams.fourth.approvals: is for a stream with "promotes-from" only.',
    'FILE:20:70: streams.fourth.cycle: is for a stream with "promotes-from" only.',
    'FILE:21:82: streams.fifth.cycle.start: is not a calendar day.',
    'FILE:22:76: streams.sixth.release: needs a "smoke-test" in the stream: nothing is released that was not tested.',
    'FILE:22:76: streams.sixth.release: needs "signing" in the stream: nothing is released unsigned.',
  ]);
});

test('I2: where one stream of a target signs, each does, also those that only release there', async () => {
  const key = 'signing: {type: openpgp, key-file: k}';
  const file = (plain: string, signed: string) => `name: lab
targets:
  one: {type: directory, path: one, url: 'http://localhost:1'}
  two: {type: directory, path: two, url: 'http://localhost:2'}
  three: {type: directory, path: three, url: 'http://localhost:3'}
streams:
  plain: {treefile: host.yaml, engine: dnf, ref: p, targets: [${plain}]}
  signed: {promotes-from: plain, ref: s, targets: [one], ${key}${signed}}
`;
  const message =
    'has the signed files of stream "signed", and this stream does not sign: add "signing" to it, or give it another target.';
  expect(await faultsOf(file('two, one', ''))).toEqual([`FILE:7:68: streams.plain.targets.1: "one" ${message}`]);
  const released = ', smoke-test: {}, images: [iso], release: {tree: [two], images: [three]}';
  expect(await faultsOf(file('three, two', released))).toEqual([
    `FILE:7:63: streams.plain.targets.0: "three" ${message}`,
    `FILE:7:70: streams.plain.targets.1: "two" ${message}`,
  ]);
  await loadConfig(await write(file('two, three', '')));
});

test('release packages: one name for each stream, one key for each repository', async () => {
  const block = (stream: string, more = '') =>
    `    release-package: {name: lab-${stream}, version: '9', repository: ./rpms${more}}\n`;
  const path = await write(`${RELEASE.replace('  release:\n', `${block('nightly')}  release:\n`)}${block('release')}`);
  const { streams } = await loadConfig(path);
  const repository = join(path, '../rpms');
  expect(streams['release']?.releasePackage).toEqual({
    name: 'lab-release',
    version: '9',
    repository,
    verifyUpgrades: false,
  });
  const faults = await faultsOf(
    `${RELEASE.replace('  release:\n', `    signing: {type: openpgp, key-file: n}\n${block('same')}  release:\n`)}${block('same', ', templates: ./none')}    signing: {type: openpgp, key-file: k}\n`,
  );
  expect(faults).toEqual([
    'FILE:15:29: streams.release.release-package.name: is that of stream "nightly"; each stream needs a name of its own, as in lab-same-release.',
    'FILE:15:65: streams.release.release-package.repository: is that of stream "nightly", which signs with another key; give each a repository of its own.',
    'FILE:15:84: streams.release.release-package.templates: there is no DIR/none.',
  ]);
  expect(await faultsOf(`${SMALL}${block('a b')}`)).toEqual([
    expect.stringContaining('must be the name of an RPM package'),
  ]);
});

test('addresses that clients read hold nothing that means something in a shell or a key file, and end with their path', async () => {
  const faults = async (url: string) => faultsOf(`${SMALL}    remote: {url: ${JSON.stringify(url)}}\n`);
  for (const url of [
    'https://a/b c',
    'https://a/$(id)',
    'https://a/b;c',
    'https://a/\\x',
    'https://a/b?c',
    'https://a/b\nx=y',
  ])
    expect(await faults(url)).toEqual([
      expect.stringContaining('streams.nightly.remote.url: may hold letters, digits'),
    ]);
  expect(await faults('https://[::1]:8080/~a/b%20c')).toEqual([]);
});

test('the work folder has a path that dnf can write below', async () => {
  expect(await faultsOf(`${SMALL}work: ./what?/work\n`)).toEqual([expect.stringContaining('work: must not hold "?"')]);
  expect(await faultsOf(`${SMALL}work: "./a %b & #,:'[c]*"\n`)).toEqual([]);
});

test('each stream has an engine: its own, that of the file, or that of the nightly builds it is fed from', async () => {
  const text = `name: lab
engine: rpm-ostree
targets: {a: {type: directory, path: out, url: 'http://localhost:8080'}}
streams:
  one: {treefile: host.yaml, ref: one, targets: [a], engine: dnf}
  two: {treefile: host.yaml, ref: two, targets: [a]}
  release: {promotes-from: one, ref: release, targets: [a]}
`;
  const { streams } = await loadConfig(await write(text));
  const types = Object.fromEntries(Object.entries(streams).map(([name, { engine }]) => [name, engine.type]));
  expect(types).toEqual({ one: 'dnf', two: 'rpm-ostree', release: 'dnf' });
  expect(await faultsOf(text.replace('promotes-from: one,', 'promotes-from: one, engine: dnf,'))).toEqual([
    'FILE:7:41: streams.release.engine: must not be set: a promotion is built by the engine of its nightly build.',
  ]);
});

test('a stream whose tree others make needs no treefile, and may say nothing that treefiles say of a tree', async () => {
  const text = `name: lab
targets: {a: {type: directory, path: out, url: 'http://localhost:8080'}}
streams:
  one: {engine: {type: checkout, path: tree}, ref: one, targets: [a]}
  two: {engine: {type: command, command: [./make], inputs: {files: [src]}}, ref: two, targets: [a], bootable: true}
  release: {promotes-from: two, ref: release, targets: [a]}
`;
  const path = await write(text);
  const { streams } = await loadConfig(path);
  const folder = join(path, '..');
  expect(streams['one']?.engine).toEqual({
    type: 'checkout',
    path: join(folder, 'tree'),
    owner: 'keep',
    var: 'folders',
  });
  expect(streams['release']).toMatchObject({
    engine: { type: 'command', workingFolder: folder, inputs: { files: [join(folder, 'src')] } },
    bootable: true,
  });
  const wrong = text
    .replace('ref: one,', 'treefile: host.yaml, allow-downgrades: [x], max-metadata-age: 1d,')
    .replace('bootable: true', 'bootable: false, images: [generic-cloud], postprocess: [x]')
    .replace('{files: [src]}', '{file: [src]}');
  const asItIs = 'the engine "checkout" takes the tree as it is.';
  expect(await faultsOf(wrong)).toEqual([
    'FILE:4:8: streams.one: needs a "ref": there is no treefile to have one.',
    `FILE:4:57: streams.one.treefile: must not be set: ${asItIs}`,
    `FILE:4:86: streams.one.allow-downgrades: is for trees made of RPM packages; ${asItIs}`,
    `FILE:4:109: streams.one.max-metadata-age: is for trees made of RPM packages; ${asItIs}`,
    'FILE:5:60: streams.two.engine.inputs: "command" is missing; it must be a list.',
    'FILE:5:61: streams.two.engine.inputs: unknown key "file". Did you mean "files"?',
    expect.stringContaining('FILE:5:142: streams.two: unknown key "postprocess".'),
  ]);
  expect(await faultsOf(text.replace('bootable: true', 'bootable: false, images: [generic-cloud]'))).toEqual([
    'FILE:5:111: streams.two.bootable: must be true for a stream with images.',
  ]);
});

test('a checkout neither holds nor lies in what each build changes', async () => {
  const text = `name: lab
work: /srv/work
engine: {type: checkout, path: /srv/work/cache/tree}
targets: {a: {type: directory, path: /srv/out, url: 'http://localhost:8080'}}
streams:
  one: {engine: {type: checkout, path: /srv/work/..}, ref: one, targets: [a]}
  two: {engine: {type: checkout, path: /srv/out/tree}, ref: two, targets: [a]}
  three: {ref: three, targets: [a]}
  four: {engine: {type: checkout, path: /srv/work/tree}, ref: four, targets: [a]}
`;
  expect(await faultsOf(text)).toEqual([
    'FILE:6:40: streams.one.engine.path: must neither hold the folder of target "a" nor lie in it.',
    'FILE:7:40: streams.two.engine.path: must neither hold the folder of target "a" nor lie in it.',
    'FILE:8:10: streams.three: the path of its engine must not lie in /srv/work/cache, which the work folder uses itself.',
  ]);
  expect(await faultsOf(text.replaceAll('/srv/out', '/other'))).toContain(
    'FILE:6:40: streams.one.engine.path: must not hold the work folder /srv/work: builds would become part of the tree.',
  );
});

test('the log: its origin, copies and key are filled in, and what cannot be is a fault with its place', async () => {
  const other = SMALL.replace(
    'streams:',
    '  mirror: {type: directory, path: /srv/mirror, url: "http://mirror"}\nstreams:',
  );
  const { log } = await loadConfig(await write(`${other}log: {home: buildlogs, key-credential: log}\n`));
  expect(log).toEqual({
    home: 'buildlogs',
    origin: 'localhost:8080/log',
    key: { credential: 'log' },
    copies: ['mirror'],
    witnesses: 'required',
  });
  const faults = [
    ['{home: buildlog, key-file: k}', 'log.home: there is no target "buildlog". Did you mean "buildlogs"?'],
    ['{home: buildlogs}', 'log: needs a key-file or a key-credential; "atomic-nightly log init" makes the key.'],
    ['{home: buildlogs, key-file: k, key-credential: c}', 'is one too many: there is key-file already.'],
    ['{home: buildlogs, key-file: k, copies: [buildlogs]}', '"buildlogs" is the home of the log.'],
    ['{home: buildlogs, key-file: k, copies: [mirror, mirror]}', '"mirror" is named twice.'],
    ['{home: buildlogs, key-file: k, origin: "https://a b/"}', 'must be a URL without its scheme'],
    ['{home: buildlogs, key-file: k, witnesses: some}', 'witnesses'],
  ];
  for (const [text, fault] of faults) expect((await faultsOf(`${other}log: ${text}\n`)).join('\n')).toContain(fault);
});

test('an audit: what it compares and whom it trusts must be known', async () => {
  const key = "log-key: 'x.example/log+37d63fe0+AQ=='";
  const good = await loadConfig(await write(`${SMALL}audit: {targets: [buildlogs, 'https://x.example/y'], ${key}}\n`));
  expect(good.audit).toMatchObject({ targets: ['buildlogs', 'https://x.example/y'], fullSeconds: 7 * 86_400 });
  const faults = [
    [`{targets: [buildlog], ${key}}`, 'there is no target "buildlog", and it is no URL. Did you mean "buildlogs"?'],
    [`{targets: ['https:/x'], ${key}}`, 'and it is no URL.'],
    [`{targets: [buildlogs, buildlogs], ${key}}`, 'audit.targets.1: "buildlogs" is named twice.'],
    ['{targets: [buildlogs]}', 'audit: needs a policy or a log-key, to know whom to trust'],
    [`{targets: [buildlogs], policy: p, ${key}}`, 'audit.log-key: is one too many'],
    [`{targets: [], ${key}}`, 'needs at least one target or URL'],
    [`{targets: [buildlogs], ${key}, schedule: {cron: often}}`, 'is not a cron expression'],
  ];
  for (const [text, fault] of faults) expect((await faultsOf(`${SMALL}audit: ${text}\n`)).join('\n')).toContain(fault);
  const log = 'log: {home: buildlogs, key-file: k, policy: p}\n';
  expect((await loadConfig(await write(`${SMALL}${log}audit: {targets: [buildlogs]}\n`))).audit).toBeDefined();
});

test('a target is served at the port of its url, on loopback, unless it says otherwise', async () => {
  const text = (url: string, serve: string) => SMALL.replace('"http://localhost:8080/"', `"${url}", serve: ${serve}`);
  const served = async (url: string, serve: string) => {
    const { buildlogs } = (await loadConfig(await write(text(url, serve)))).targets;
    return buildlogs?.type === 'directory' ? servedAt(buildlogs) : undefined;
  };
  expect(await served('http://localhost:8080', 'true')).toEqual({ host: '127.0.0.1', port: 8080 });
  expect(await served('http://nightly.example.org/atomic', 'true')).toEqual({ host: '127.0.0.1', port: 80 });
  expect(await served('http://localhost:8080', 'false')).toBeUndefined();
  expect(await served('http://localhost:8080', '{address: "::"}')).toEqual({ host: '::', port: 8080 });
  expect(await served('https://nightly.example.org', '{port: 8088}')).toEqual({ host: '127.0.0.1', port: 8088 });
  expect(await faultsOf(text('https://nightly.example.org', 'true'))).toEqual([
    'FILE:3:95: targets.buildlogs.serve: needs a port: behind a url with https:// another server listens, and passes requests on to it.',
  ]);
  expect(await faultsOf(text('http://localhost:8080', '{port: 0}'))).toHaveLength(1);
});

test('K7: a configuration without an end is refused before it fills the memory', async () => {
  await expect(loadConfig('/dev/zero')).rejects.toMatchObject({
    code: 'config',
    message: expect.stringMatching(/\/dev\/zero:1:1: more than 16(\.8)? M/),
  });
});
