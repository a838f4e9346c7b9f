import { existsSync, statSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { didYouMean } from '../base/nearest.ts';
import type { KeyPath } from '../base/yaml/yaml-places.ts';
import { imageTypes } from './image-types.ts';
import { isSshDestination, substituteBasearch } from './normalise.ts';
import { checkNotify, type RawNotify } from './notify.ts';
import { checkRelease } from './release.ts';
import { checkReleasePackages } from './release-package.ts';
import type { RawStream, RawTarget } from './schema.ts';

/** The parts of a configuration that passed the schema; rules look at these even when other parts have faults. */
export interface Parts {
  /** Folder that relative paths are resolved against. */
  readonly folder: string;
  readonly work: string | undefined;
  /** As written, if it is text. */
  readonly imageTemplates: string | undefined;
  /** Names of all targets, also of those with faults. */
  readonly targetNames: readonly string[];
  readonly targets: Readonly<Record<string, RawTarget>>;
  /** Names of all streams, also of those with faults. */
  readonly streamNames: readonly string[];
  readonly streams: Readonly<Record<string, RawStream>>;
  readonly hostArch: string;
  /** By their place in the list. */
  readonly notify: Readonly<Record<string, RawNotify>>;
}

/** A broken rule and the value that breaks it. */
export interface Breach {
  readonly path: KeyPath;
  readonly message: string;
}

/** Everything that depends on more than one value, or on the files named. */
export function checkRules(parts: Parts): Breach[] {
  return [
    ...Object.entries(parts.targets).flatMap(([name, target]) => checkTarget(name, target, parts)),
    ...sharedDestinations(parts),
    ...Object.entries(parts.streams).flatMap(([name, stream]) => checkStream(name, stream, parts)),
    ...sharedRefs(parts),
    ...checkReleasePackages(parts.streams, parts.folder),
    ...checkNotify(parts.notify, parts.streamNames, parts.folder),
  ];
}

function checkTarget(name: string, target: RawTarget, { folder, work }: Parts): Breach[] {
  if (target.type === 'directory')
    return work === undefined ? [] : besideWork(name, resolve(folder, target.path), resolve(folder, work));
  if (target.type !== 'rsync') return [];
  if (isSshDestination(target.destination)) {
    return target['password-file'] === undefined
      ? []
      : [
          {
            path: ['targets', name, 'password-file'],
            message: 'is for rsync://host/module/path only; a destination over ssh takes ssh.identity-file.',
          },
        ];
  }
  return target.ssh === undefined
    ? []
    : [
        {
          path: ['targets', name, 'ssh'],
          message: 'is for user@host:/path only; an rsync:// destination takes a password-file.',
        },
      ];
}

function besideWork(name: string, target: string, work: string): Breach[] {
  const path = ['targets', name, 'path'];
  if (within(work, target)) {
    return [
      { path, message: `must not hold the work folder ${work}: caches and unfinished builds would be published.` },
    ];
  }
  const taken = ['repo', 'cache', 'builds'].map((part) => resolve(work, part)).find((part) => within(target, part));
  return taken === undefined ? [] : [{ path, message: `must not lie in ${taken}, which the work folder uses itself.` }];
}

function within(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function sharedDestinations({ targets, folder }: Parts): Breach[] {
  const seen = new Map<string, string>();
  return Object.entries(targets).flatMap(([name, target]): Breach[] => {
    const { key, place } = placeOf(target, folder);
    const other = seen.get(place);
    seen.set(place, other ?? name);
    if (other === undefined) return [];
    return [{ path: ['targets', name, key], message: `is the same place as that of target "${other}".` }];
  });
}

/** What tells a target's place from any other's, and the key it is written under. */
function placeOf(target: RawTarget, folder: string): { key: string; place: string } {
  switch (target.type) {
    case 'directory':
      return { key: 'path', place: resolve(folder, target.path) };
    case 's3':
      return { key: 'bucket', place: [target.endpoint ?? '', target.bucket, target.prefix ?? ''].join('\0') };
    case 'rsync':
    case 'ssh':
      return { key: 'destination', place: target.destination.replace(/\/+$/, '') };
  }
}

function checkStream(name: string, stream: RawStream, parts: Parts): Breach[] {
  const { folder, targetNames, imageTemplates, hostArch } = parts;
  const breaches: Breach[] = [];
  const add = (path: KeyPath, message: string) => breaches.push({ path: ['streams', name, ...path], message });

  for (const { path, message } of checkRelease(stream, parts.streams, parts.streamNames)) add(path, message);
  if (stream.schedule && stream['promotes-from'] !== undefined) {
    add(['schedule'], 'is for nightly streams: a release stream is fed by promotion only.');
  }
  const source = parts.streams[stream['promotes-from'] ?? ''];
  if (source && stream.arch !== undefined && stream.arch !== (source.arch ?? hostArch)) {
    add(['arch'], `is not that of "${stream['promotes-from']}", whose nights are promoted.`);
  }
  if (stream.treefile !== undefined) {
    const treefile = resolve(folder, stream.treefile);
    if (!existsSync(treefile)) add(['treefile'], `there is no file ${treefile}.`);
    else if (!statSync(treefile).isFile()) add(['treefile'], `${treefile} is not a file.`);
  }

  const checkTargets = (names: readonly string[], ...path: KeyPath): void => {
    const known = targetNames.length === 0 ? 'none' : targetNames.join(', ');
    for (const [index, target] of names.entries()) {
      if (!targetNames.includes(target)) {
        const guess = didYouMean(target, targetNames);
        add([...path, index], `there is no target "${target}".${guess || ` Targets here: ${known}.`}`);
      } else if (names.indexOf(target) < index) add([...path, index], `"${target}" is named twice.`);
    }
  };
  checkTargets(stream.targets, 'targets');
  for (const part of ['tree', 'images'] as const) checkTargets(stream.release?.[part] ?? [], 'release', part);
  for (const key of ['known-issues', 'templates'] as const) {
    const path = stream.release?.[key];
    if (path !== undefined && !existsSync(resolve(folder, path)))
      add(['release', key], `there is no ${resolve(folder, path)}.`);
  }
  const templates = stream['release-package']?.templates;
  if (templates !== undefined && !existsSync(resolve(folder, templates)))
    add(['release-package', 'templates'], `there is no ${resolve(folder, templates)}.`);
  const types = imageTypes(imageTemplates === undefined ? undefined : resolve(folder, imageTemplates));
  for (const [index, image] of stream.images.entries()) {
    if (!types.includes(image)) {
      const guess = didYouMean(image, types);
      add(['images', index], `there is no image type "${image}".${guess || ` Image types here: ${types.join(', ')}.`}`);
    } else if (stream.images.indexOf(image) < index) add(['images', index], `"${image}" is named twice.`);
  }
  for (const [index, signing] of [stream.signing ?? []].flat().entries()) {
    if (signing.type !== 'openpgp') continue;
    const sources = (['passphrase-file', 'passphrase-env', 'passphrase-credential'] as const).filter(
      (key) => signing[key] !== undefined,
    );
    const at = Array.isArray(stream.signing) ? ['signing', index] : ['signing'];
    if (sources.length > 1) add([...at, sources[1] ?? ''], `is one too many: there is ${sources[0]} already.`);
  }
  const smoke = stream['smoke-test'];
  if (smoke !== false) {
    if (stream.images.length === 0) add(['smoke-test'], 'boots images, but the stream has none.');
    for (const [index, image] of (smoke.images ?? []).entries()) {
      if (!stream.images.includes(image)) {
        add(['smoke-test', 'images', index], `"${image}" is not among the stream's images.`);
      }
    }
  }
  return breaches;
}

/** Two streams that move one ref on one target would undo each other's work. */
function sharedRefs({ streams, folder, hostArch }: Parts): Breach[] {
  const seen = new Map<string, string>();
  return Object.entries(streams).flatMap(([name, stream]): Breach[] => {
    const arch = stream.arch ?? hostArch;
    // Without an override the ref is the treefile's, which the same treefile and architecture make the same.
    const ref =
      stream.ref === undefined
        ? `${resolve(folder, stream.treefile ?? name)}\0${arch}`
        : substituteBasearch(stream.ref, arch);
    const shared = stream.targets.map((target) => ({ target, other: seen.get(`${target}\0${ref}`) }));
    for (const target of stream.targets) seen.set(`${target}\0${ref}`, seen.get(`${target}\0${ref}`) ?? name);
    const clash = shared.find(({ other }) => other !== undefined && other !== name);
    if (clash?.other === undefined) return [];
    return [
      {
        path: stream.ref === undefined ? ['streams', name] : ['streams', name, 'ref'],
        message: `has the same ref on target "${clash.target}" as stream "${clash.other}"; give one of them another "ref".`,
      },
    ];
  });
}
