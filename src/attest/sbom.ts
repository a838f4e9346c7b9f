import { Contrib, Enums, Models, Serialize, Spec } from '@cyclonedx/cyclonedx-library';
import parseSpdx from 'spdx-expression-parse';
import type { Component, Source } from '../engines/provenance/component.ts';
import type { Provenance, RpmProvenance } from '../engines/provenance/provenance-format.ts';
import type { PackageSignatures } from '../engines/provenance/rpm-provenance.ts';
import type { OsRelease } from './os-release.ts';
import { type NamedPackage, namedComponent, namedDeb, namedRpm } from './purl.ts';

/** The commit whose contents a bill of materials lists. */
export interface ListedCommit {
  readonly ref: string;
  readonly commit: string;
  /** The commit's version: its build id. */
  readonly version: string;
}

/**
 * Returns the bill of materials of a commit in the format CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/). Equal input gives
 * equal bytes: it has no serial number and no time.
 * @param signatures where the checksums of RPM files are known
 */
export function sbomText(
  commit: ListedCommit,
  os: OsRelease,
  provenance: Provenance,
  signatures: PackageSignatures,
): string {
  const bom = new Models.Bom();
  const system = new Models.Component(Enums.ComponentType.OperatingSystem, os.name === '' ? os.id : os.name, {
    bomRef: `ostree:${commit.commit}`,
    version: commit.version,
    hashes: new Models.HashDictionary([[Enums.HashAlgorithm['SHA-256'], commit.commit]]),
    properties: properties({ 'ostree:ref': commit.ref, 'ostree:commit': commit.commit }),
  });
  bom.metadata.component = system;
  const parts = [
    ...provenance.packages.flatMap((rpm) => rpmComponent(rpm, os, signatures[rpm.nevra]?.file)),
    ...provenance.debs.map((deb) => component(namedDeb(deb, os), { source: deb.source })),
    ...provenance.components.map(reportedComponent),
  ];
  for (const part of unique(parts)) {
    bom.components.add(part);
    system.dependencies.add(part.bomRef);
  }
  const factory = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
  const text = new Serialize.JsonSerializer(factory).serialize(bom, { sortLists: true, space: 2 });
  return `${text}\n`;
}

function rpmComponent(rpm: RpmProvenance, os: OsRelease, file: string | undefined): Models.Component[] {
  const named = namedRpm(rpm.nevra, os);
  if (named === undefined) return [];
  const { header, source, buildHost, licence, vcs, repository } = rpm;
  const made = component(named, { header, source, buildhost: buildHost, repository }, 'rpm');
  if (licence !== undefined) made.licenses.add(LICENCES.makeFromString(licence));
  if (vcs !== undefined) made.externalReferences.add(reference(vcs, Enums.ExternalReferenceType.VCS));
  addHash(made.hashes, file);
  return [made];
}

function reportedComponent(one: Component): Models.Component {
  const made = component(namedComponent(one), { kind: one.kind, key: one.key }, 'component');
  if (one.licence !== undefined) made.licenses.add(LICENCES.makeFromString(one.licence));
  for (const source of one.sources) {
    if (source.url !== undefined) made.externalReferences.add(sourceReference(source, source.url));
  }
  return made;
}

function sourceReference({ commit, digest }: Source, url: string): Models.ExternalReference {
  const type = commit === undefined ? Enums.ExternalReferenceType.SourceDistribution : Enums.ExternalReferenceType.VCS;
  const made = reference(url, type);
  addHash(made.hashes, digest);
  if (commit !== undefined) made.comment = `commit ${commit}`;
  return made;
}

function component(
  { name, version, purl }: NamedPackage,
  about: Readonly<Record<string, string | undefined>>,
  family = 'deb',
): Models.Component {
  const named = Object.entries(about).map(([key, value]) => [`${family}:${key}`, value]);
  return new Models.Component(Enums.ComponentType.Library, name, {
    // Without one the library makes up another each time.
    bomRef: purl,
    purl,
    ...(version === '' ? {} : { version }),
    properties: properties(Object.fromEntries(named)),
  });
}

/** Multilib packages and components may be listed twice; a reference must be unique. */
function unique(parts: readonly Models.Component[]): Models.Component[] {
  return [...new Map(parts.map((part) => [part.bomRef.value, part])).values()];
}

const LICENCES = new Contrib.License.Factories.LicenseFactory((text) => parseSpdx(text));

const reference = (url: string, type: Enums.ExternalReferenceType): Models.ExternalReference =>
  new Models.ExternalReference(url, type);

function properties(about: Readonly<Record<string, string | undefined>>): Models.PropertyRepository {
  const known = Object.entries(about).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
  return new Models.PropertyRepository(known.map(({ name, value }) => new Models.Property(name, value)));
}

function addHash(hashes: Models.HashDictionary, digest: string | undefined): void {
  const [, hex] = /^sha256:([0-9a-f]{64})$/.exec(digest ?? '') ?? [];
  if (hex !== undefined) hashes.set(Enums.HashAlgorithm['SHA-256'], hex);
}
