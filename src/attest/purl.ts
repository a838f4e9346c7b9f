import { PackageURL } from 'packageurl-js';
import type { Component, Source } from '../engines/provenance/component.ts';
import type { DebProvenance } from '../engines/provenance/provenance-format.ts';
import { parseNevra } from '../rpm/evr.ts';
import type { OsRelease } from './os-release.ts';

/** A package as others name it. */
export interface NamedPackage {
  readonly name: string;
  readonly version: string;
  /** https://github.com/package-url/purl-spec */
  readonly purl: string;
}

/**
 * Returns how others name an RPM: `pkg:rpm/centos/bash@5.2.26-4.el10?arch=x86_64&distro=centos-10&epoch=1`.
 * @param nevra `name-[epoch:]version-release.arch`; undefined is returned for other texts
 */
export function namedRpm(nevra: string, os: OsRelease): NamedPackage | undefined {
  const parts = parseNevra(nevra);
  if (parts === undefined) return undefined;
  const { name, epoch, version, release, arch } = parts;
  const qualifiers = { arch, ...distroOf(os), ...(epoch === '0' ? {} : { epoch }) };
  const vr = `${version}-${release}`;
  return {
    name,
    version: epoch === '0' ? vr : `${epoch}:${vr}`,
    purl: new PackageURL('rpm', os.id, name, vr, qualifiers, null).toString(),
  };
}

/** Returns how others name a Debian package: `pkg:deb/debian/dash@0.5.12-2?arch=amd64&distro=debian-12`. */
export function namedDeb({ name, version, arch }: DebProvenance, os: OsRelease): NamedPackage {
  return {
    name,
    version,
    purl: new PackageURL('deb', os.id, name, version, { arch, ...distroOf(os) }, null).toString(),
  };
}

/** Returns how others name a component of a tree that others made, with its first pinned source. */
export function namedComponent({ name, version, key, sources }: Component): NamedPackage {
  const identity = version ?? key ?? '';
  const qualifiers = sources.map(sourceQualifiers).find((one) => one !== undefined) ?? null;
  const purl = new PackageURL('generic', null, name, identity === '' ? null : identity, qualifiers, null).toString();
  return { name, version: identity, purl };
}

/** https://github.com/package-url/purl-spec/blob/main/PURL-SPECIFICATION.rst#known-qualifiers-keyvalue-pairs */
function sourceQualifiers({ kind, url, commit, digest }: Source): Record<string, string> | undefined {
  if (url === undefined) return undefined;
  if (commit !== undefined) return { vcs_url: `${vcsPrefix(kind, url)}${url}@${commit}` };
  return digest === undefined ? undefined : { download_url: url, checksum: digest };
}

const vcsPrefix = (kind: string, url: string): string => (url.startsWith(`${kind}+`) ? '' : `${kind}+`);

function distroOf({ id, versionId }: OsRelease): { readonly distro?: string } {
  return versionId === '' ? {} : { distro: `${id}-${versionId}` };
}
