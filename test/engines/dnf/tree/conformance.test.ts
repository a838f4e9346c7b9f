import { beforeAll, describe, expect, it } from 'vitest';
import { meantDifferences, recordedListing } from '../../../support/lab-differences.ts';
import { classify, compareTrees, parseTreeListing, type TreeEntry } from '../../../support/tree-listing.ts';

// How trees are laid beside that of a real rpm-ostree; test/e2e/conformance.test.ts does it with the lab's.
let recorded: Map<string, TreeEntry>;
beforeAll(async () => {
  recorded = parseTreeListing(await recordedListing());
});

const changed = (path: string, change: Partial<TreeEntry> | undefined) => {
  const after = new Map(recorded);
  const old = recorded.get(path);
  if (change === undefined) after.delete(path);
  else
    after.set(path, {
      type: '-',
      mode: '00644',
      owner: '0:0',
      checksum: '0',
      xattrs: '',
      target: '',
      ...old,
      ...change,
    });
  const { found, other } = classify(
    compareTrees(recorded, after),
    meantDifferences(new Set(['/usr/bin/curl', '/usr/etc/passwd'])),
  );
  return { meant: [...found.keys()], other: other.map((one) => `${one.kind} ${one.path}`) };
};

describe('the recorded tree', () => {
  it('is read whole, and equals itself', () => {
    expect(recorded.size).toBeGreaterThan(7000);
    expect(recorded.get('/home')).toMatchObject({ type: 'l', target: 'var/home' });
    expect(recorded.has('/usr/lib/modules/KVER/vmlinuz')).toBe(true);
    expect(compareTrees(recorded, recorded)).toEqual([]);
  });

  it('has another file of a package that was updated', () => {
    expect(changed('/usr/bin/curl', { checksum: 'f'.repeat(64) })).toEqual({
      meant: ['packages updated since the recording'],
      other: [],
    });
  });

  it.each([
    ['a mode', '/usr/lib/modules/KVER/initramfs.img', { mode: '00600' }, 'mode'],
    ['an owner', '/usr/bin/curl', { owner: '0:42' }, 'owner'],
    ['a mode of a package’s file', '/usr/bin/sudo', { mode: '00755' }, 'mode'],
    ['where a link leads', '/home', { target: 'sysroot/home' }, 'target'],
    ['another default target', '/usr/lib/systemd/system/default.target', { target: 'graphical.target' }, 'target'],
    ['the kind of a path', '/var', { type: 'l', target: 'sysroot/var' }, 'type'],
    ['capabilities lost', '/usr/bin/curl', { xattrs: 'x' }, 'xattrs'],
    ['a file that a compose writes', '/usr/etc/default/useradd', { checksum: 'f' }, 'content'],
    ['a folder that is gone', '/usr/lib/sysimage/rpm-ostree-base-db', undefined, 'missing'],
    ['a preset that is gone', '/usr/lib/systemd/system-preset/40-rpm-ostree-auto.preset', undefined, 'missing'],
    ['something new', '/usr/etc/group.lock', {}, 'extra'],
    ['something new in /var', '/var/lib/x', { type: 'd' }, 'extra'],
  ] as const)('differs in %s, and nobody meant it', (_, path, change, kind) => {
    expect(changed(path, change).other).toEqual([`${kind} ${path}`]);
  });
});
