import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareProvenance, unpinnedSources } from '../../../src/engines/provenance/compare-provenance.ts';
import { parseProvenance, provenanceOf, provenanceText } from '../../../src/engines/provenance/provenance-format.ts';
import { packagesProvenance, signaturesOf } from '../../../src/engines/provenance/rpm-provenance.ts';
import { formatEvra } from '../../../src/rpm/evr.ts';

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/);
const rpm = fc.record(
  {
    name: word,
    epoch: fc.constantFrom('0', '1'),
    version: word,
    release: word,
    arch: fc.constantFrom('noarch', 'x86_64'),
    header: fc.string(),
    source: fc.string({ unit: 'binary' }),
    licence: fc.string({ unit: 'binary' }),
    key: word,
  },
  { requiredKeys: ['name', 'epoch', 'version', 'release', 'arch'], noNullPrototype: true },
);
const rpms = fc.uniqueArray(rpm, { selector: ({ name, arch }) => `${name}.${arch}`, maxLength: 8 });
const treefile = { digest: 'd', files: [{ sha256: 'f', path: 'host.yaml' }] };

test('I10: the same packages in whatever order, with keys in whatever order, give the same bytes, which read as what they were', () => {
  fc.assert(
    fc.property(rpms, fc.boolean(), fc.infiniteStream(fc.nat()), (installed, signatures, random) => {
      const lockfile = {
        packages: Object.fromEntries(
          installed.map((one) => [`${one.name}.${one.arch}`, { evra: formatEvra(one), digest: 'sha256:1' }]),
        ),
      };
      const repositories = Object.fromEntries(installed.map((one) => [`${one.name}-${formatEvra(one)}`, 'base']));
      const textOf = (packages: typeof installed) =>
        provenanceText(packagesProvenance({ treefile, signatures }, { installed: packages, lockfile, repositories }));
      const text = textOf(installed);
      const mixed = installed.map((one) => ({ at: random.next().value, one })).sort((a, b) => a.at - b.at);
      const turned = mixed.map(({ one }) => Object.fromEntries(Object.entries(one).reverse()) as typeof one);
      expect(textOf(turned)).toBe(text);
      const parsed = parseProvenance(text, 'provenance.json');
      expect(provenanceText(parsed)).toBe(text);
      expect(parsed.packages.some((one) => one.key !== undefined)).toBe(signatures && installed.length > 0);
      expect(Object.keys(signaturesOf({ installed, lockfile }))).toHaveLength(installed.length);
    }),
  );
});

test('a later version and what is none are refused, with the file named', () => {
  const text = (more: object) => provenanceText({ ...provenanceOf({}), ...more });
  expect(parseProvenance(text({ more: 1 }), 'x')).toMatchObject({ version: 1 });
  expect(() => parseProvenance(text({ version: 2 }), 'x.json')).toThrow(
    /x\.json was written by a newer atomic-nightly: format 2, this one reads up to 1/,
  );
  expect(() => parseProvenance(text({ packages: [{}] }), 'x.json')).toThrow('packages > 0 > nevra');
  for (const content of ['', '{', '[]', '{"schema":"other"}']) expect(() => parseProvenance(content, 'x')).toThrow();
});

test('two trees are compared part by part, packages by name and architecture', () => {
  const git = { kind: 'git', url: 'https://example.org/a', commit: '1' };
  const local = { kind: 'local' };
  const from = provenanceOf({
    treefile: {
      digest: '1',
      files: [
        { path: 'a', sha256: '1' },
        { path: 'b', sha256: '1' },
      ],
    },
    packages: [{ nevra: 'lib-1-1.i686' }, { nevra: 'lib-1-1.x86_64', header: 'sha256:1' }, { nevra: 'old-1-1.noarch' }],
    components: [{ name: 'x', sources: [git, local] }],
  });
  const to = provenanceOf({
    treefile: {
      digest: '2',
      files: [
        { path: 'a', sha256: '2' },
        { path: 'c', sha256: '1' },
      ],
    },
    packages: [{ nevra: 'lib-1-1.i686' }, { nevra: 'lib-1-1.x86_64', header: 'sha256:2' }, { nevra: 'new-1-1.noarch' }],
    components: [{ name: 'x', sources: [{ ...git, commit: '2' }, local] }],
  });
  expect(compareProvenance(from, to)).toMatchObject({
    added: [{ nevra: 'new-1-1.noarch' }],
    removed: [{ nevra: 'old-1-1.noarch' }],
    changed: [
      { from: { name: 'x' }, to: { name: 'x' } },
      { from: { header: 'sha256:1' }, to: { header: 'sha256:2' } },
    ],
    treefile: { added: ['c'], removed: ['b'], changed: ['a'] },
  });
  expect(compareProvenance(from, from)).toEqual({ added: [], removed: [], changed: [] });
  expect(unpinnedSources(to)).toEqual([{ component: 'x', source: local }]);
});
