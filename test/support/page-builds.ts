import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { sha256 } from '../../src/base/files.ts';
import type { BuildMeta } from '../../src/build/build-record.ts';
import { buildMetaText } from '../../src/build/build-record-format.ts';
import { buildPaths } from '../../src/build/build-store.ts';
import type { JournalEntry } from '../../src/build/journal.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';

/** A work folder as some weeks of nights leave it, written by hand: nothing was composed. */
export interface PageBuilds {
  readonly config: Config;
  /** Nights, oldest first. */
  readonly ids: readonly string[];
  /** A promotion that was released, and one that waits for a second approval: there are both from ten nights on. */
  readonly released: string;
  readonly candidate: string;
  /** Writes a record, and a journal where one is given. */
  write(meta: BuildMeta, entries?: readonly JournalEntry[]): void;
  /** The record of a build as it was written first, to be changed and written again. */
  meta(id: string): BuildMeta;
  /** Marks the run lock as held by this process. */
  hold(command: string, since?: Date): void;
}

const ARCH = 'x86_64';
const DAY = 86_400_000;
const FIRST = Date.UTC(2026, 9, 1, 2, 30);

/** Makes the folder with a configuration, changed as asked, and so many nights of the stream `nightly`, and a release stream beside it. */
export async function makePageBuilds(
  dir: string,
  nights: number,
  change: (config: string) => string = (text) => text,
): Promise<PageBuilds> {
  const path = join(dir, 'atomic-nightly.yaml');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'tree.yaml'), 'ref: lab/x86_64/nightly\nrepos: [lab]\npackages: [bash]\n');
  writeFileSync(path, change(CONFIG));
  const config = await loadConfig(path);
  const metas = new Map<string, BuildMeta>();
  const builds: PageBuilds = {
    config,
    ids: Array.from({ length: nights }, (_, index) => idOf(index)),
    released: idOf(3).replace('_01', '_02'),
    candidate: idOf(8).replace('_01', '_02'),
    write(meta, entries) {
      const paths = buildPaths(config.work, meta.buildid, meta.basearch);
      mkdirSync(paths.logs, { recursive: true });
      writeFileSync(paths.meta, buildMetaText(meta));
      writeFileSync(
        paths.lockfile,
        JSON.stringify({ packages: { bash: { evra: `5.${meta.buildid.slice(6, 8)}-1.el9.x86_64` } } }),
      );
      if (entries) {
        writeFileSync(paths.journal, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
        // A thousand nights take a while to write.
        for (const { step } of nights > 100 ? [] : entries.filter((entry) => 'step' in entry)) {
          writeFileSync(join(paths.logs, `${step}.log`), `$ ${step}\nworking on ${meta.buildid}\n`);
        }
      }
      metas.set(meta.buildid, meta);
    },
    meta(id) {
      const meta = metas.get(id);
      if (!meta) throw new Error(`there is no build ${id}`);
      return meta;
    },
    hold(command, since = new Date()) {
      const holder = { pid: process.pid, host: hostname(), command, since: since.toISOString() };
      const lock = join(config.work, 'lock.json');
      mkdirSync(dirname(lock), { recursive: true });
      writeFileSync(lock, JSON.stringify(holder));
    },
  };
  mkdirSync(config.work, { recursive: true });
  for (let index = 0; index < nights; index += 1) builds.write(night(index), nightJournal(index));
  if (nights >= 10) {
    builds.write(promotion(3, { release: { at: '2026-10-07T09:00:00.000Z' } }), nightJournal(3));
    builds.write(promotion(8), nightJournal(8));
  }
  return builds;
}

const CONFIG = `name: lab-atomic-host
work: ./work
targets:
  buildlogs: {type: directory, path: ./published, url: 'https://buildlogs.example.org/atomic'}
  staging: {type: directory, path: ./staging, url: 'https://staging.example.org/atomic'}
  mirror: {type: directory, path: ./mirror, url: 'https://mirror.example.org/atomic'}
streams:
  nightly:
    treefile: ./tree.yaml
    targets: [buildlogs]
    images: [generic-cloud, vagrant-libvirt]
  release:
    promotes-from: nightly
    ref: lab/x86_64/release
    targets: [staging]
    approvals: 2
    signing: {type: gpg-agent, key: 0123456789ABCDEF0123456789ABCDEF01234567}
    images: [generic-cloud]
    smoke-test: {}
    cycle: {start: 2026-10-05, weeks: 4}
    release: {tree: [mirror]}
`;

function idOf(index: number): string {
  return `${new Date(FIRST + index * DAY).toISOString().slice(0, 10).replaceAll('-', '')}_01`;
}

const commitOf = (index: number): string => sha256(`commit ${index}`);

function night(index: number): BuildMeta {
  const id = idOf(index);
  const common = {
    ...{ name: 'lab-atomic-host', buildid: id, basearch: ARCH, ref: 'lab/x86_64/nightly' },
    ostreeTimestamp: new Date(FIRST + index * DAY).toISOString(),
    stream: 'nightly',
  };
  if (index % 9 === 5) return { ...common, state: 'unchanged' };
  const image = (type: string, size: number) => ({
    path: `images/lab-atomic-host-${id}-${type}`,
    ...{ sha256: sha256(`${id} ${type}`), size, uncompressedSha256: sha256(type), uncompressedSize: size * 4 },
    ...{ commit: commitOf(index), templateDigest: 'd' },
  });
  const failed = index % 11 === 7;
  return {
    ...common,
    ostreeCommit: commitOf(index),
    ostreeVersion: id,
    state: failed ? 'incomplete' : 'complete',
    failures: failed
      ? [{ step: 'image-vagrant-libvirt', code: 'image', message: 'qemu-img ended with 1: No space left' }]
      : [],
    ...(index === 0 ? {} : { parent: commitOf(index - 1) }),
    pkgdiff: Array.from({ length: 1 + ((index * 7) % 6) }, (_, count) => [
      ['curl', 'kernel', 'openssl', 'podman', 'sudo', 'tree'][count] ?? 'bash',
      count === 4 ? 0 : 2,
      {
        ...(count === 4 ? {} : { PreviousPackage: ['x', `8.${index}.0-1.el9`, ARCH] as const }),
        NewPackage: ['x', `8.${index + 1}.0-1.el9`, ARCH],
      },
    ]),
    images: {
      'generic-cloud': image('GenericCloud.qcow2', 167_600_000 + index * 310_000),
      ...(failed ? {} : { 'vagrant-libvirt': image('Vagrant-Libvirt.box', 157_800_000 + index * 270_000) }),
    },
    tree: { objects: 6600 + index * 3, bytes: 133_500_000 + index * 240_000 },
    published: ['buildlogs'],
    engine: { name: 'dnf', version: '4.14.0' },
    compose: { initramfs: 'reused', kernel: '5.14.0-611.el9.x86_64', phases: [] },
    smokeTests: {
      'generic-cloud': {
        ...{
          state: 'running',
          failedUnits: [],
          accelerator: 'kvm',
          bootSeconds: 31.9,
          checkSeconds: 4,
          serialLog: 's',
        },
      },
    },
  };
}

/** The promotion of a night, approved by one. */
function promotion(index: number, more: Partial<BuildMeta> = {}): BuildMeta {
  const of = night(index);
  return {
    ...of,
    buildid: of.buildid.replace('_01', '_02'),
    ostreeCommit: sha256(`promotion ${index}`),
    ref: 'lab/x86_64/release',
    stream: 'release',
    state: 'complete',
    failures: [],
    signedBy: ['0123456789ABCDEF0123456789ABCDEF01234567'],
    promotion: {
      ...{ of: of.buildid, commit: commitOf(index), stream: 'nightly', attempt: 1, recommit: false },
      ...{ reason: 'cycle 1', overrides: ['openssl-1:3.2.2-7.el9.x86_64'], excludes: [], upstream: '9.20261005.0' },
      ...{ acceptDifferences: false, supersedes: [] },
    },
    approvals: [{ by: 'mika', at: '2026-10-06T10:00:00.000Z', note: 'runs on our hosts' }],
    ...more,
  };
}

const STEPS = [
  ['seed', 2],
  ['repositories', 3],
  ['resolve', 6],
  ['compose', 95],
  ['diff', 1],
  ['push-buildlogs', 14],
  ['verify-buildlogs', 8],
  ['image-generic-cloud', 84],
  ['smoke-test-generic-cloud', 78],
  ['checksums', 2],
  ['publish-buildlogs', 5],
] as const;

function nightJournal(index: number): JournalEntry[] {
  let at = FIRST + index * DAY;
  const entries: JournalEntry[] = [];
  const steps = index % 9 === 5 ? STEPS.slice(0, 2) : STEPS;
  for (const [step, base] of steps) {
    const seconds = base * (1 + ((index * 13 + step.length) % 7) / 20);
    entries.push({ at: new Date(at).toISOString(), event: 'start', step, input: 'i' });
    at += seconds * 1000;
    entries.push({ at: new Date(at).toISOString(), event: 'done', step, input: 'i', seconds });
  }
  const state = index % 9 === 5 ? 'unchanged' : 'complete';
  return [...entries, { at: new Date(at).toISOString(), event: 'end', state }];
}
