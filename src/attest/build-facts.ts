import type { BuildMeta, InputsRecord } from '../build/build-record.ts';
import type { Provenance } from '../engines/provenance/provenance-format.ts';
import type { PackageSignatures } from '../engines/provenance/rpm-provenance.ts';
import type { ImageFile } from '../images/image.ts';
import type { OsRelease } from './os-release.ts';
import { namedComponent, namedDeb, namedRpm } from './purl.ts';
import { BUILD_TYPE, type BuildFacts, IMAGE_BUILD_TYPE, type Resource, type Subject } from './statement.ts';

/** What a statement of a build is made of. */
export interface KnownOfBuild {
  readonly meta: BuildMeta;
  readonly commit: string;
  readonly provenance: Provenance;
  readonly signatures: PackageSignatures;
  readonly os: OsRelease;
  readonly builder: string;
  /** Files of the build, paths relative to its folder, with their SHA-256. */
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
  /** RFC 3339, UTC. */
  readonly startedOn: string;
  readonly finishedOn: string;
}

/** Returns what the statement of a build says. */
export function buildFacts(known: KnownOfBuild): BuildFacts {
  const { meta, commit, files, builder, startedOn, finishedOn } = known;
  const { promotion, inputs, engine } = meta;
  return {
    buildType: BUILD_TYPE,
    subjects: [commitSubject(commit), ...files.map(({ path, sha256 }) => ({ name: path, digest: { sha256 } }))],
    externalParameters: {
      stream: meta.stream,
      ref: meta.ref,
      arch: meta.basearch,
      ...(promotion && { promotionOf: { build: promotion.of, commit: promotion.commit } }),
      ...(meta.retraction && { retractionOf: { build: meta.retraction.of, treeOf: meta.retraction.previous } }),
    },
    internalParameters: {
      ...(meta.treefileDigest !== undefined && { treefileDigest: meta.treefileDigest }),
      ...(meta.rpmOstreeInputhash !== undefined && { inputHash: meta.rpmOstreeInputhash }),
      ...(meta.ostreeContentChecksum !== undefined && { contentChecksum: meta.ostreeContentChecksum }),
    },
    dependencies: dependencies(known),
    builder,
    versions: {
      ...(inputs && { 'atomic-nightly': inputs.programs.atomicNightly, ostree: inputs.programs.ostree }),
      ...(engine && { [`engine:${engine.name}`]: engine.version }),
    },
    invocation: invocationOf(meta),
    startedOn,
    finishedOn,
  };
}

const invocationOf = ({ buildid, basearch }: BuildMeta): string => `${buildid}/${basearch}`;

/** What a statement of an image is made of. */
export interface KnownOfImage extends Pick<KnownOfBuild, 'meta' | 'builder' | 'finishedOn'> {
  readonly type: string;
  readonly image: ImageFile;
  /** Versions of the programs that made it. */
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * Returns what the statement of an image says: the commit is all that it is made from, and what that is made from the
 * statement of the build says.
 */
export function imageFacts({ meta, type, image, builder, versions, finishedOn }: KnownOfImage): BuildFacts {
  return {
    buildType: IMAGE_BUILD_TYPE,
    subjects: [{ name: image.path, digest: { sha256: image.sha256 } }],
    externalParameters: { stream: meta.stream, ref: meta.ref, arch: meta.basearch, type },
    internalParameters: {
      templateDigest: image.templateDigest,
      ...(image.bootLoader !== undefined && { bootLoader: image.bootLoader }),
    },
    dependencies: [commitResource('commit', meta.ref, image.commit)],
    builder,
    versions,
    invocation: `${invocationOf(meta)}/${type}`,
    startedOn: meta.ostreeTimestamp,
    finishedOn,
  };
}

/** The checksum of a commit is the SHA-256 of the file it is in. */
function commitSubject(commit: string): Subject {
  return { name: `repo/objects/${commit.slice(0, 2)}/${commit.slice(2)}.commit`, digest: { sha256: commit } };
}

function dependencies({ meta, provenance, signatures, os }: KnownOfBuild): Resource[] {
  const { parent, inputs, ref, promotion } = meta;
  const commits = [
    ...(parent === undefined ? [] : [commitResource('parent', ref, parent)]),
    ...(promotion === undefined ? [] : [commitResource('promoted', promotion.stream, promotion.commit)]),
  ];
  const { packages, debs, components, treefile } = provenance;
  return [
    ...commits,
    ...repositories(inputs),
    ...checkout(inputs),
    ...(treefile?.files ?? []).map(({ path, sha256 }): Resource => ({ name: `treefile/${path}`, digest: { sha256 } })),
    ...packages.flatMap(({ nevra, header, source }): Resource[] => {
      const named = namedRpm(nevra, os);
      const digest = digestOf(signatures[nevra]?.file);
      const annotations = { ...(header !== undefined && { header }), ...(source !== undefined && { source }) };
      return named === undefined ? [] : [{ uri: named.purl, ...digest, annotations }];
    }),
    ...debs.map((deb): Resource => ({ uri: namedDeb(deb, os).purl })),
    ...components.flatMap((component): Resource[] => {
      const { purl } = namedComponent(component);
      const sources = component.sources.map(
        ({ kind, url, commit, digest }): Resource => ({
          name: `${component.name}: ${kind}`,
          ...(url !== undefined && { uri: url }),
          ...(commit === undefined ? digestOf(digest) : commitDigest(commit)),
        }),
      );
      return [{ uri: purl }, ...sources];
    }),
  ];
}

const commitResource = (name: string, ref: string, commit: string): Resource => ({
  name,
  uri: `ostree:${ref}`,
  digest: { sha256: commit },
});

function repositories(inputs: InputsRecord | undefined): Resource[] {
  return Object.entries(inputs?.repositories ?? {}).map(([id, { url, repomd }]) => ({
    name: id,
    uri: `${url.replace(/\/+$/, '')}/repodata/repomd.xml`,
    digest: { sha256: repomd },
  }));
}

function checkout(inputs: InputsRecord | undefined): Resource[] {
  if (inputs?.checkout === undefined) return [];
  const { revision, dirty, url } = inputs.checkout;
  const uri = url === undefined ? {} : { uri: `git+${url}@${revision}` };
  return [{ name: 'checkout', ...uri, digest: { gitCommit: revision }, annotations: { dirty } }];
}

/** Other systems than git have revisions that are no digest. */
function commitDigest(commit: string): Pick<Resource, 'digest' | 'annotations'> {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(commit)
    ? { digest: { gitCommit: commit } }
    : { annotations: { revision: commit } };
}

function digestOf(digest: string | undefined): Pick<Resource, 'digest'> {
  const [, algorithm, hex] = /^(sha256|sha384|sha512):([0-9a-f]+)$/.exec(digest ?? '') ?? [];
  return algorithm === undefined || hex === undefined ? {} : { digest: { [algorithm]: hex } };
}
