import { describe, expect, it } from 'vitest';
import { contentSchema } from '../../src/config/content.ts';
import { assignTags } from '../../src/content/assign-tags.ts';

const SIGS = { level: 'release', target: 'mirror', path: 'SIGs/<release>/<sig>/<arch>/<project>' };
const content = (rules: readonly object[], more: object = {}) =>
  contentSchema({ folder: '/' }).parse({
    keys: { storage: { type: 'openpgp', 'key-file': 'k' }, cloud: { type: 'openpgp', 'key-file': 'c' } },
    ...{ rules, ...more },
  });

describe('tags and their rules', () => {
  it('a tag is given its key, its release and its folders; one that no rule fits, or that is excluded, nothing', () => {
    const source = { target: 'vault', path: 'source/<release>/<sig>/<project>' };
    const rules = [{ tags: '<sig><release>-<project>-release', ...SIGS, source }];
    const tags = ['storage8s-ceph-release', 'storage8s-ceph-testing', 'cloud7-bootstrap-x-release', 'cloud7-x-release'];
    expect(assignTags(content(rules, { exclude: ['*-bootstrap-*'] }), tags)).toEqual({
      faults: [],
      assigned: [
        {
          ...{ tag: 'cloud7-x-release', level: 'release', key: 'cloud', release: 7, debuginfo: undefined },
          packages: { target: 'mirror', path: 'SIGs/7/cloud/<arch>/x' },
          source: { target: 'vault', path: 'source/7/cloud/x' },
        },
        {
          ...{ tag: 'storage8s-ceph-release', level: 'release', key: 'storage', release: 8, debuginfo: undefined },
          packages: { target: 'mirror', path: 'SIGs/8s/storage/<arch>/ceph' },
          source: { target: 'vault', path: 'source/8s/storage/ceph' },
        },
      ],
    });
  });

  it('a tag that two rules claim, and one without a key, are left alone; the others go on', () => {
    const rules = [
      { tags: '<sig><release>-<project>-release', ...SIGS },
      { tags: 'storage7-<project>-release', ...SIGS, key: 'storage', release: 7, path: 'x/<arch>/<project>' },
    ];
    const found = assignTags(content(rules), ['storage7-a-release', 'cloud7-a-release', 'virt7-a-release']);
    expect(found.assigned.map(({ tag }) => tag)).toEqual(['cloud7-a-release']);
    expect(found.faults).toEqual([
      {
        tag: 'storage7-a-release',
        why: 'two rules claim it: <sig><release>-<project>-release and storage7-<project>-release',
      },
      { tag: 'virt7-a-release', why: 'there is no key "virt" in content.keys' },
    ]);
  });

  it('two tags of one folder, or of one within the other, are both left alone', () => {
    const rules = [
      { tags: '<sig><release>-<project>-release', ...SIGS, path: 'a/<release>/<sig>-<project>/<arch>' },
      {
        tags: '<sig><release>-<project>-<version>-stable',
        ...SIGS,
        path: 'a/<release>/<sig>-<project>-<version>/<arch>',
      },
      { tags: 'cloud7-<project>-testing', ...SIGS, key: 'cloud', release: 7, path: 'b/<project>/<arch>' },
      { tags: 'cloud7-<project>-deep', ...SIGS, key: 'cloud', release: 7, path: 'b/<project>/<arch>/x' },
    ];
    const tags = ['cloud7-x-1-release', 'cloud7-x-1-stable', 'cloud7-y-release', 'cloud7-z-testing', 'cloud7-z-deep'];
    const { assigned, faults } = assignTags(content(rules), tags);
    expect(assigned.map(({ tag }) => tag)).toEqual(['cloud7-y-release']);
    expect(faults.map(({ tag }) => tag).sort()).toEqual(tags.filter((tag) => tag !== 'cloud7-y-release').sort());
    expect(faults[0]?.why).toMatch(/^it would be published to a\/7\/cloud-x-1\/<arch>, as cloud7-x-1-/);
  });
});
