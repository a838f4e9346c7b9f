import { existsSync, statSync } from 'node:fs';
import { didYouMean } from '../base/nearest.ts';
import type { KeyPath } from '../base/yaml/yaml-places.ts';
import { hostArchitecture } from './architecture.ts';
import type { Breach, WrittenAt } from './breach.ts';
import { checkCheckoutPlace, checkStreamEngine, type EngineConfig, isFolderEngine } from './engine.ts';
import { checkGuestTests } from './guest-tests.ts';
import { checkImages } from './images.ts';
import { checkPassphrase } from './private-keys.ts';
import { checkReleasePackages } from './release-package.ts';
import { checkRelease } from './release-rules.ts';
import { checkSigning } from './signing.ts';
import type { WrittenStream } from './streams.ts';
import { substituteBasearch } from './values.ts';

/** What the rules of streams look at: parts that passed the schema by themselves. */
interface Parts {
  readonly streams: Readonly<Record<string, WrittenStream>>;
  /** Names of all streams, also of those with faults; and of all targets. */
  readonly streamNames: readonly string[];
  readonly targetNames: readonly string[];
  readonly work: string | undefined;
  readonly targets: Readonly<Record<string, { readonly type: string; readonly path?: string }>>;
  /** The engine of streams that set none; undefined when it has faults. */
  readonly engine: EngineConfig | undefined;
  /** Absolute. */
  readonly imageTemplates: string | undefined;
  readonly written: WrittenAt;
}

/** Returns what is wrong with streams that depends on more than one value, or on the files they name. */
export function checkStreams(parts: Parts): Breach[] {
  return [
    ...Object.entries(parts.streams).flatMap(([name, stream]) =>
      checkStream(name, stream, parts).map(({ path, message }) => ({ path: ['streams', name, ...path], message })),
    ),
    ...Object.entries(parts.streams).flatMap(([name, { signing }]) =>
      checkSigning(signing ?? [], ['streams', name, 'signing'], parts.written),
    ),
    ...Object.keys(parts.streams).flatMap((name) =>
      checkPassphrase(['streams', name, 'attestations', 'statement', 'key'], parts.written),
    ),
    ...sharedRefs(parts.streams),
    ...unsignedBesideSigned(parts.streams),
    ...checkReleasePackages(parts.streams, parts.written('log') !== undefined),
  ];
}

/** Paths are relative to the stream. */
function checkStream(name: string, stream: WrittenStream, parts: Parts): Breach[] {
  const { promotesFrom, schedule, arch, treefile, to, releasePackage } = stream;
  const source = parts.streams[promotesFrom ?? ''];
  const engine = promotesFrom === undefined ? (stream.engine ?? parts.engine) : undefined;
  const breaches = checkRelease(stream, parts.streams, parts.streamNames, engine);
  breaches.push(...checkStreamEngine(stream, engine));
  breaches.push(...checkCheckoutPlace(engine, stream.engine !== undefined, parts));
  const add = (path: KeyPath, message: string) => breaches.push({ path, message });
  if (schedule && promotesFrom !== undefined) {
    add(['schedule'], 'is for nightly streams: a release stream is fed by promotion only.');
  }
  if (source && arch !== undefined && arch !== (source.arch ?? hostArchitecture())) {
    add(['arch'], `is not that of "${promotesFrom}", whose nightly builds are promoted.`);
  }
  if (treefile !== undefined && !(engine && isFolderEngine(engine))) {
    if (!existsSync(treefile)) add(['treefile'], `there is no file ${treefile}.`);
    else if (!statSync(treefile).isFile()) add(['treefile'], `${treefile} is not a file.`);
  }
  breaches.push(
    ...checkNames(stream.targets, ['targets'], parts.targetNames),
    ...checkNames(to?.tree ?? [], ['release', 'tree'], parts.targetNames),
    ...checkNames(
      parts.written('streams', name, 'release', 'images') === undefined ? [] : (to?.images ?? []),
      ['release', 'images'],
      parts.targetNames,
    ),
  );
  const files = [
    [['release', 'known-issues'], to?.knownIssues],
    [['release', 'templates'], to?.templates],
    [['release-package', 'templates'], releasePackage?.templates],
  ] as const;
  for (const [path, file] of files) {
    if (file !== undefined && !existsSync(file)) add(path, `there is no ${file}.`);
  }
  return [...breaches, ...checkImages(stream, parts.imageTemplates), ...checkGuestTests(stream)];
}

/** Names of targets that there are none of, or that stand twice in a list. */
function checkNames(names: readonly string[], at: KeyPath, targetNames: readonly string[]): Breach[] {
  const known = targetNames.length === 0 ? 'none' : targetNames.join(', ');
  return names.flatMap((target, index): Breach[] => {
    const path = [...at, index];
    if (!targetNames.includes(target)) {
      const guess = didYouMean(target, targetNames) || ` Targets here: ${known}.`;
      return [{ path, message: `there is no target "${target}".${guess}` }];
    }
    return names.indexOf(target) < index ? [{ path, message: `"${target}" is named twice.` }] : [];
  });
}

/** Two streams that move one ref on one target would undo each other's work. */
function sharedRefs(streams: Parts['streams']): Breach[] {
  const seen = new Map<string, string>();
  return Object.entries(streams).flatMap(([name, stream]): Breach[] => {
    const arch = stream.arch ?? hostArchitecture();
    // Without an override the ref is the treefile's, which the same treefile and architecture make the same.
    const ref = stream.ref === undefined ? `${stream.treefile ?? name}\0${arch}` : substituteBasearch(stream.ref, arch);
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

/**
 * The summary and the index of builds belong to all streams of a target: where one stream signs them, another that does not could
 * change neither without leaving them unsigned (I2).
 */
function unsignedBesideSigned(streams: Parts['streams']): Breach[] {
  const signing = new Map<string, string>();
  for (const [name, { targets, to, signing: keys }] of Object.entries(streams)) {
    const named = [...targets, ...(to?.tree ?? []), ...(to?.images ?? [])];
    for (const target of keys === undefined ? [] : named) signing.set(target, signing.get(target) ?? name);
  }
  return Object.entries(streams).flatMap(([name, { targets, signing: keys }]): Breach[] =>
    targets.flatMap((target, index): Breach[] => {
      const other = signing.get(target);
      if (keys !== undefined || other === undefined) return [];
      const message = `"${target}" has the signed files of stream "${other}", and this stream does not sign: add "signing" to it, or give it another target.`;
      return [{ path: ['streams', name, 'targets', index], message }];
    }),
  );
}
