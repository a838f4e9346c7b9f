import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalArch, isDebuginfo, layOut, packagePath, type TaggedRpm } from '../../../src/rpm/repository/layout.ts';

const rpm = (name: string, arch: string): TaggedRpm => ({ name, version: '1.0', release: '1.el9', arch });
const ARCHES = ['x86_64', 'aarch64', 'ppc64le'];

const anyRpm = fc.record({
  name: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,12}(-debuginfo|-debugsource|-debuginfo-common|-devel)?$/),
  version: fc.stringMatching(/^[0-9][0-9.~^a-z]{0,5}$/),
  release: fc.stringMatching(/^[0-9]{1,2}(\.el9)?$/),
  arch: fc.constantFrom('noarch', 'src', 'nosrc', 'x86_64', 'aarch64', 'ppc64le', 'i686', 's390x'),
});
const anyArches = fc.uniqueArray(fc.constantFrom(...ARCHES, 'i386', 's390x'));

describe('layOut', () => {
  it('C1: every package is in a repository or named as left, and no repository has anything else', () => {
    fc.assert(
      fc.property(fc.array(anyRpm), anyArches, (rpms, arches) => {
        const { repositories, left } = layOut(rpms, arches);
        const placed = new Set(repositories.flatMap(({ rpms: inIt }) => inIt.map((one) => one.rpm)));
        expect(placed.size + left.length).toBe(rpms.length);
        for (const one of left) expect(placed.has(one)).toBe(false);
        for (const { rpm: one } of repositories.flatMap(({ rpms: inIt }) => inIt)) expect(rpms).toContain(one);
        // Those there have to be, whatever is in them: an empty one is published as well.
        const kinds = repositories.map(({ kind, arch }) => `${kind} ${arch}`);
        expect(kinds).toEqual([
          ...arches.flatMap((arch) => [`packages ${arch}`, `debuginfo ${arch}`]),
          'source source',
        ]);
      }),
    );
  });

  it('C1: an architecture is never in the repository of another; noarch is in each, at one path', () => {
    fc.assert(
      fc.property(fc.array(anyRpm), anyArches, (rpms, arches) => {
        const { repositories } = layOut(rpms, arches);
        for (const { kind, arch, rpms: inIt } of repositories) {
          for (const { rpm: one, path } of inIt) {
            expect(kind === 'source').toBe(one.arch === 'src' || one.arch === 'nosrc');
            if (kind === 'source') continue;
            expect(kind === 'debuginfo').toBe(isDebuginfo(one.name));
            expect([canonicalArch(arch), 'noarch']).toContain(canonicalArch(one.arch));
            expect(path).toBe(packagePath(one));
          }
        }
        for (const one of rpms.filter(({ arch }) => arch === 'noarch')) {
          expect(repositories.filter(({ rpms: inIt }) => inIt.some((placed) => placed.rpm === one))).toHaveLength(
            arches.length,
          );
        }
      }),
    );
  });

  it('does not depend on the order in which koji names them', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyRpm, { selector: packagePath }), (rpms) => {
        expect(layOut(rpms.toReversed(), ARCHES).repositories).toEqual(layOut(rpms, ARCHES).repositories);
      }),
    );
  });

  it('puts a package below the first letter of its name, in lower case, whatever its sort', () => {
    expect(packagePath(rpm('ImageMagick', 'x86_64'))).toBe('Packages/i/ImageMagick-1.0-1.el9.x86_64.rpm');
    expect(packagePath(rpm('389-ds-base', 'src'))).toBe('Packages/3/389-ds-base-1.0-1.el9.src.rpm');
  });

  it('takes what koji takes for debuginfo', () => {
    for (const name of ['bash-debuginfo', 'bash-debugsource', 'kernel-debuginfo-common-x86_64'])
      expect(isDebuginfo(name)).toBe(true);
    for (const name of ['elfutils-debuginfod', 'rpm-debugsource-tools', 'debuginfo', 'bash'])
      expect(isDebuginfo(name)).toBe(false);
  });

  it('has i686 packages in a tag for i386, and leaves them out of one for x86_64', () => {
    const libc = rpm('glibc', 'i686');
    expect(layOut([libc], ['x86_64', 'i386']).repositories.find(({ arch }) => arch === 'i386')?.rpms).toHaveLength(1);
    expect(layOut([libc], ['x86_64']).left).toEqual([libc]);
  });
});
