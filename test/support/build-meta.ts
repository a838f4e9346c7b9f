import type { BuildMeta } from '../../src/build/build-record.ts';
import { readBuildMeta } from '../../src/build/build-record-format.ts';

const SHA = 'ab'.repeat(32);

/** A record in which every field stands, as a build of that id and architecture may have it. */
export function fullMeta(id = '20261121_02', arch = 'x86_64'): BuildMeta {
  const image = {
    path: 'images/disk.qcow2',
    sha256: SHA,
    size: 100,
    uncompressedSha256: SHA,
    uncompressedSize: 200,
    commit: SHA,
    templateDigest: 'cafe',
    bootLoader: 'grub',
  };
  return {
    name: 'Example',
    buildid: id,
    basearch: arch,
    ref: 'example/x86_64/nightly',
    ostreeVersion: id,
    ostreeCommit: SHA,
    ostreeContentChecksum: SHA,
    ostreeTimestamp: '2026-11-21T02:30:00Z',
    rpmOstreeInputhash: 'cafe',
    pkgdiff: [['bash', 2, { PreviousPackage: ['bash', '5-1', 'x86_64'], NewPackage: ['bash', '5-2', 'x86_64'] }]],
    advisories: [
      {
        ...{ id: 'EX-1', type: 'security', severity: 'Important', title: 'fix', cves: ['CVE-2026-1234'] },
        packages: [{ name: 'bash', from: '5-1.x86_64', to: '5-2.x86_64', fixed: '5-2.x86_64' }],
      },
    ],
    advisoriesUnread: ['extras'],
    images: { 'generic-cloud': image },
    stream: 'nightly',
    state: 'complete',
    parent: SHA,
    engine: { name: 'dnf', version: '4' },
    treefileDigest: 'cafe',
    treefileCopy: 'treefiles/host.yaml',
    promotion: {
      of: '20261120_01',
      commit: SHA,
      stream: 'nightly',
      attempt: 1,
      recommit: false,
      reason: 'due',
      overrides: ['bash-5-2.x86_64'],
      excludes: ['vim'],
      upstream: '20261120',
      cycle: 1,
      lastRelease: '20261101_01',
      acceptDifferences: false,
      differencesAccepted: { count: 1, paths: ['/usr/x'] },
      supersedes: ['20261120_02'],
    },
    approvals: [{ by: 'Ann', at: '2026-11-21T09:00:00Z', note: 'fine' }],
    release: {
      at: '2026-11-22T09:00:00Z',
      withdrawn: { at: '2026-11-23T09:00:00Z', reason: 'bad', by: '20261123_01' },
    },
    withdrawal: { of: '20261101_01', previous: '20261001_01', reason: 'bad' },
    supersededBy: '20261124_01',
    published: ['mirror'],
    steps: [{ step: 'compose', seconds: 1.5 }],
    compose: { initramfs: 'reused', kernel: '6.1', phases: [{ name: 'x', tool: 'dnf', seconds: 1 }] },
    smokeTests: {
      'generic-cloud': {
        state: 'degraded',
        failedUnits: [{ unit: 'a.service', reason: 'known' }],
        accelerator: 'kvm',
        bootSeconds: 10,
        checkSeconds: 1,
        serialLog: '/work/serial.log',
        healthChecks: ['ping'],
      },
    },
    refusedImages: { iso: { ...image, path: 'images/x.iso' } },
    deltas: [{ from: SHA, to: SHA, bytes: 1, objectBytes: 2, objects: 3, seconds: 0.5 }],
    tree: { objects: 10, bytes: 1000 },
    signedBy: ['AB'.repeat(20)],
    forced: true,
    stoppedAfter: 'push',
    pendingImages: ['iso'],
    failures: [{ step: 'image-iso', code: 'image', message: 'no', hint: 'try' }],
  };
}

/** Reads a record that stands somewhere as it is stored, or as `--json` printed it. */
export function metaOf(stored: unknown): BuildMeta {
  const { buildid, 'coreos-assembler.basearch': arch } = Object(stored);
  return readBuildMeta(JSON.stringify(stored), { id: buildid, arch }, 'the record');
}
