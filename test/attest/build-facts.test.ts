import { expect, test } from 'vitest';
import { buildFacts } from '../../src/attest/build-facts.ts';
import { provenanceStatement } from '../../src/attest/statement.ts';
import type { BuildMeta } from '../../src/build/build-record.ts';
import { provenanceOf } from '../../src/engines/provenance/provenance-format.ts';

const hex = (digit: string, length = 64) => digit.repeat(length);

const META: BuildMeta = {
  name: 'mini',
  buildid: '20261129_02',
  basearch: 'x86_64',
  ref: 'mini/x86_64/nightly',
  ostreeTimestamp: '2026-11-29T01:00:00Z',
  stream: 'nightly',
  state: 'running',
  parent: hex('1'),
  treefileDigest: hex('2'),
  ostreeContentChecksum: hex('3'),
  engine: { name: 'dnf', version: '4.14.0' },
  inputs: {
    repositories: {
      base: { url: 'https://mirror.example.org/base/', repomd: hex('4'), generated: '2026-11-28T00:00:00Z' },
    },
    checkout: { revision: hex('5', 40), dirty: true, url: 'https://git.example.org/mini.git' },
    programs: { atomicNightly: '1.0.0', ostree: '2022.7' },
  },
};

test('a statement names what was built, by whom and from what, in the words of SLSA', () => {
  const bash = { nevra: 'bash-5.2-4.el10.x86_64', header: `sha256:${hex('7')}`, source: 'bash-5.2-4.el10.src.rpm' };
  const component = {
    name: 'shell.bst',
    version: '1',
    sources: [
      { kind: 'git', url: 'https://git.example.org/s.git', commit: hex('8', 40) },
      { kind: 'bzr', url: 'https://bzr.example.org/s', commit: 'r42' },
      { kind: 'tar', url: 'https://example.org/s.tar', digest: `sha256:${hex('9')}` },
    ],
  };
  const treefile = { digest: hex('2'), files: [{ path: 'host.yaml', sha256: hex('a') }] };
  const facts = buildFacts({
    meta: META,
    commit: hex('c'),
    provenance: provenanceOf({ treefile, packages: [bash], components: [component] }),
    signatures: { [bash.nevra]: { file: `sha256:${hex('b')}`, key: null } },
    os: { id: 'centos', name: 'CentOS Stream', versionId: '10' },
    builder: 'https://ci.example.org/atomic',
    files: [{ path: 'mini.qcow2', sha256: hex('d') }],
    startedOn: '2026-11-29T01:00:00Z',
    finishedOn: '2026-11-29T01:10:00Z',
  });
  const statement = JSON.parse(String(provenanceStatement(facts)));
  expect(statement._type).toBe('https://in-toto.io/Statement/v1');
  expect(statement.predicateType).toBe('https://slsa.dev/provenance/v1');
  expect(statement.subject).toEqual([
    { name: `repo/objects/cc/${hex('c', 62)}.commit`, digest: { sha256: hex('c') } },
    { name: 'mini.qcow2', digest: { sha256: hex('d') } },
  ]);
  const { buildDefinition, runDetails } = statement.predicate;
  expect(buildDefinition.externalParameters).toEqual({ stream: 'nightly', ref: META.ref, arch: 'x86_64' });
  expect(buildDefinition.resolvedDependencies).toEqual([
    { name: 'parent', uri: 'ostree:mini/x86_64/nightly', digest: { sha256: hex('1') } },
    { name: 'base', uri: 'https://mirror.example.org/base/repodata/repomd.xml', digest: { sha256: hex('4') } },
    {
      name: 'checkout',
      uri: `git+https://git.example.org/mini.git@${hex('5', 40)}`,
      digest: { gitCommit: hex('5', 40) },
      annotations: { dirty: true },
    },
    { name: 'treefile/host.yaml', digest: { sha256: hex('a') } },
    {
      uri: 'pkg:rpm/centos/bash@5.2-4.el10?arch=x86_64&distro=centos-10',
      digest: { sha256: hex('b') },
      annotations: { header: bash.header, source: bash.source },
    },
    { uri: expect.stringMatching(/^pkg:generic\/shell\.bst@1\?vcs_url=/) },
    { name: 'shell.bst: git', uri: 'https://git.example.org/s.git', digest: { gitCommit: hex('8', 40) } },
    { name: 'shell.bst: bzr', uri: 'https://bzr.example.org/s', annotations: { revision: 'r42' } },
    { name: 'shell.bst: tar', uri: 'https://example.org/s.tar', digest: { sha256: hex('9') } },
  ]);
  expect(runDetails.builder).toEqual({
    id: 'https://ci.example.org/atomic',
    version: { 'atomic-nightly': '1.0.0', ostree: '2022.7', 'engine:dnf': '4.14.0' },
  });
  expect(runDetails.metadata.invocationId).toBe('20261129_02/x86_64');
});
