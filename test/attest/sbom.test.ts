import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { expect, test } from 'vitest';
import { sbomText } from '../../src/attest/sbom.ts';
import { provenanceOf } from '../../src/engines/provenance/provenance-format.ts';

const os = { id: 'centos', name: 'CentOS Stream', versionId: '10' };
const commit = { ref: 'centos/10/x86_64/atomic-host', commit: 'c'.repeat(64), version: '20261129_01' };
const bash = {
  nevra: 'bash-5.2.26-4.el10.x86_64',
  header: `sha256:${'1'.repeat(64)}`,
  source: 'bash-5.2.26-4.el10.src.rpm',
  buildHost: 'builder.example.org',
  licence: 'GPL-3.0-or-later',
  repository: 'baseos',
};
const odd = {
  nevra: 'odd-1:2-3.noarch',
  licence: 'GPLv2+ and a "gift" <x>',
  vcs: 'git+https://git.example.org/odd.git',
};
const shell = {
  name: 'base/shell.bst',
  key: 'f00',
  licence: 'MIT OR Apache-2.0',
  sources: [{ kind: 'git', url: 'https://git.example.org/s.git', commit: 'a'.repeat(40) }, { kind: 'local' }],
};
const deb = { name: 'dash', version: '0.5.12-2', arch: 'amd64', source: 'dash' };
const all = provenanceOf({ packages: [bash, odd, bash], debs: [deb], components: [shell] });
const signatures = { [bash.nevra]: { file: `sha256:${'2'.repeat(64)}`, key: null } };

test('the bill of materials passes the strict validator of CycloneDX 1.6', async () => {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
  expect(await validator.validate(sbomText(commit, os, all, signatures))).toBeNull();
  expect(await validator.validate(sbomText(commit, os, provenanceOf({}), {}))).toBeNull();
  expect(await validator.validate('{"bomFormat": "CycloneDX", "specVersion": "1.6", "extra": 1}')).not.toBeNull();
});

test('each package is in it once, with checksum, licence and source', () => {
  const { components, metadata, dependencies } = JSON.parse(sbomText(commit, os, all, signatures));
  expect(metadata.component).toMatchObject({ type: 'operating-system', name: 'CentOS Stream', version: '20261129_01' });
  expect(components.map((one: { name: string }) => one.name).sort()).toEqual(['base/shell.bst', 'bash', 'dash', 'odd']);
  const found = components.find((one: { name: string }) => one.name === 'bash');
  expect(found).toMatchObject({
    purl: 'pkg:rpm/centos/bash@5.2.26-4.el10?arch=x86_64&distro=centos-10',
    hashes: [{ alg: 'SHA-256', content: '2'.repeat(64) }],
    licenses: [{ license: { id: 'GPL-3.0-or-later' } }],
  });
  expect(found.properties).toContainEqual({ name: 'rpm:source', value: 'bash-5.2.26-4.el10.src.rpm' });
  expect(components.find((one: { name: string }) => one.name === 'odd').licenses).toEqual([
    { license: { name: 'GPLv2+ and a "gift" <x>' } },
  ]);
  const root = dependencies.find((one: { ref: string }) => one.ref === metadata.component['bom-ref']);
  expect(root.dependsOn).toHaveLength(4);
});

test('I10: the same tree gives the same bytes', () => {
  const text = sbomText(commit, os, all, signatures);
  expect(sbomText(commit, os, { ...all, packages: [odd, bash] }, signatures)).toBe(text);
  expect(text).not.toMatch(/serialNumber|timestamp/);
});
