import type { Connection } from '../base/connection.ts';
import { type Evra, formatEvra, parseEvra } from './evr.ts';
import { FormatError } from './format-error.ts';
import { isPackageName, readChecksum, urlInRepository } from './rpm-names.ts';
import { eachElement } from './xml-reader.ts';

/** A package as a repository's primary metadata has it. */
export interface RepoPackage {
  readonly name: string;
  readonly id: Evra;
  /** `[epoch:]version-release.arch` */
  readonly evra: string;
  /** `sha256:<hex>` of the RPM file, or with sha384 or sha512; undefined where the repository uses another kind. */
  readonly digest?: string;
  /** URL of the RPM file. */
  readonly url: string;
  readonly bytes: number;
  /** How the repository is reached. */
  readonly connection?: Connection;
  /** Names of capabilities and paths of files it provides, as far as primary metadata lists them; no versions. */
  readonly provides: readonly string[];
}

/**
 * Reads primary.xml (createrepo_c's, the format of http://linux.duke.edu/metadata/common). Source packages are left out.
 * @param base URL of the repository, with a slash at its end
 * @throws FormatError when it is not, and when a package has a name, version, place or checksum that none can have.
 */
export function parsePrimary(xml: string, base: string): RepoPackage[] {
  const packages: RepoPackage[] = [];
  let fields: Record<string, string> = {};
  let provides: string[] = [];
  eachElement(xml, 'metadata', ({ path, attributes, text }) => {
    switch (path) {
      case 'metadata/package/name':
      case 'metadata/package/arch':
        fields[path.slice('metadata/package/'.length)] = text;
        break;
      case 'metadata/package/version':
        fields = { ...fields, ...pick(attributes, 'epoch', 'ver', 'rel') };
        break;
      case 'metadata/package/checksum':
        fields['digest'] = readChecksum(attributes['type'] ?? '', text) ?? '';
        break;
      case 'metadata/package/size':
        fields['bytes'] = attributes['package'] ?? '0';
        break;
      case 'metadata/package/location':
        fields = { ...fields, ...pick(attributes, 'href', 'xml:base') };
        break;
      case 'metadata/package/format/provides/entry':
        provides.push(attributes['name'] ?? '');
        break;
      case 'metadata/package/format/file':
        provides.push(text);
        break;
      case 'metadata/package':
        if (fields['arch'] !== 'src' && fields['arch'] !== 'nosrc') packages.push(packageOf(fields, provides, base));
        fields = {};
        provides = [];
        break;
    }
  });
  return packages;
}

function packageOf(
  fields: Readonly<Record<string, string>>,
  provides: readonly string[],
  repository: string,
): RepoPackage {
  const { name = '', arch = '', epoch = '', ver = '', rel = '', digest = '', href = '', bytes = '0' } = fields;
  const evra = formatEvra({ epoch: epoch === '' ? '0' : epoch, version: ver, release: rel, arch });
  const where = `the package ${JSON.stringify(`${name}-${evra}`)}`;
  const id = parseEvra(evra);
  if (!isPackageName(name) || !id) throw new FormatError(`${where} has a name or version that no package can have`);
  if (!/^\d{1,15}$/.test(bytes)) throw new FormatError(`${where} has ${JSON.stringify(bytes)} for its size`);
  const url = urlInRepository(baseOf(fields['xml:base'] ?? '', repository, where), href, where);
  return {
    name,
    id,
    evra: formatEvra(id),
    url,
    provides,
    bytes: Number(bytes),
    ...(digest === '' ? {} : { digest }),
  };
}

/**
 * Returns where a package's path counts from: metadata may name another server, but none makes a file of this machine
 * out of it.
 */
function baseOf(own: string, repository: string, where: string): string {
  if (own === '') return repository;
  const local = repository.startsWith('file:') && own.startsWith(repository);
  if (!local && !(/^https?:\/\/[^\s/]+/.test(own) && URL.canParse(own))) {
    throw new FormatError(`${where} has a base that is no web address: ${JSON.stringify(own)}`);
  }
  return own.replace(/\/*$/, '/');
}

function pick(attributes: Readonly<Record<string, string>>, ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, attributes[name] ?? '']));
}
