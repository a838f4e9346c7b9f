import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { sharedFolder } from '../support/tmp.ts';

const dir = sharedFolder();
for (const name of ['host.yaml']) writeFileSync(join(dir, name), '{}');

const KEY = `ssh-ed25519 ${'A'.repeat(68)}`;
const OTHER = `ssh-ed25519 ${'B'.repeat(68)}`;

const machine = (fields: Readonly<Record<string, unknown>> = {}, ssh: Readonly<Record<string, unknown>> = {}) => ({
  name: 'alpha',
  operator: 'example.org',
  ssh: { host: 'alpha.example.org', 'host-key': KEY, ...ssh },
  arch: ['x86_64'],
  'statement-key': 'alpha.pem',
  ...fields,
});

const parse = (machines: readonly object[], more: object = { 'known-good': ['lab.repo'] }) =>
  parseConfig(
    JSON.stringify({
      name: 'lab',
      targets: { here: { type: 'directory', path: '/srv/here', url: 'http://here' } },
      streams: { nightly: { treefile: 'host.yaml', targets: ['here'] } },
      builders: { machines, ...more },
    }),
    join(dir, 'atomic-nightly.yaml'),
  ).builders;

it('a machine needs little, and the rest is filled in', () => {
  expect(parse([machine()])).toMatchObject({
    machines: [{ name: 'alpha', ssh: { port: 22, user: 'root', hostKey: KEY }, arch: ['x86_64'] }],
    rates: { new: 1, proven: 0.2, sponsor: 0.05 },
    stallSeconds: 600,
    repositories: [],
  });
});

it.each([
  ['two machines of one name', [machine(), machine({}, { 'host-key': OTHER })], '"alpha" is named twice'],
  [
    'one machine as two',
    [machine(), machine({ name: 'beta' })],
    'is that of "alpha": two builders must be two machines',
  ],
  ['no pinned host key', [machine({}, { 'host-key': undefined })], 'host-key'],
  ['a host key with a comment', [machine({}, { 'host-key': `${KEY} root@alpha` })], 'must be a public host key'],
  ['an option of ssh as host', [machine({}, { host: '-oProxyCommand=x' })], 'must be the name or address'],
  ['an unknown stream', [machine({ image: 'nigthly' })], 'there is no stream "nigthly"'],
  ['a name that is a path', [machine({ name: '../x' })], 'must be words of small letters'],
])('%s is refused', (_, machines, message) => {
  expect(() => parse(machines)).toThrow(message);
});

it('a machine is compared with something: packages, or an image', () => {
  expect(() => parse([machine()], {})).toThrow('known-good must name the .repo files');
  expect(parse([machine({ image: 'nightly' })], {})?.machines[0]?.image).toBe('nightly');
});
