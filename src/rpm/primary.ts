import { type Evra, formatEvra } from './evr.ts';
import { eachElement } from './xml.ts';

/** A package as a repository's primary metadata has it. */
export interface RepoPackage {
  readonly name: string;
  readonly id: Evra;
  /** `[epoch:]version-release.arch` */
  readonly evra: string;
  /** `sha256:<hex>` of the RPM file; undefined where the repository uses another kind. */
  readonly digest?: string;
  /** URL of the RPM file. */
  readonly url: string;
  readonly bytes: number;
  /** Names of capabilities and paths of files it provides, as far as primary metadata lists them; no versions. */
  readonly provides: readonly string[];
}

/**
 * Reads primary.xml (createrepo_c's, the format of http://linux.duke.edu/metadata/common). Source packages are left out.
 * @param base URL of the repository, with a slash at its end
 * @throws Error when it is not XML.
 */
export function parsePrimary(xml: string, base: string): RepoPackage[] {
  const packages: RepoPackage[] = [];
  let fields: Record<string, string> = {};
  let provides: string[] = [];
  eachElement(xml, ({ path, attributes, text }) => {
    switch (path) {
      case 'metadata/package/name':
      case 'metadata/package/arch':
        fields[path.slice('metadata/package/'.length)] = text;
        break;
      case 'metadata/package/version':
        fields = { ...fields, ...pick(attributes, 'epoch', 'ver', 'rel') };
        break;
      case 'metadata/package/checksum':
        if (attributes['type'] === 'sha256') fields['digest'] = `sha256:${text}`;
        break;
      case 'metadata/package/size':
        fields['bytes'] = attributes['package'] ?? '0';
        break;
      case 'metadata/package/location':
        fields['url'] = `${attributes['xml:base'] ?? base}`.replace(/\/*$/, '/') + (attributes['href'] ?? '');
        break;
      case 'metadata/package/format/provides/entry':
        provides.push(attributes['name'] ?? '');
        break;
      case 'metadata/package/format/file':
        provides.push(text);
        break;
      case 'metadata/package':
        if (fields['arch'] !== 'src' && fields['arch'] !== 'nosrc') packages.push(packageOf(fields, provides));
        fields = {};
        provides = [];
        break;
    }
  });
  return packages;
}

function packageOf(fields: Readonly<Record<string, string>>, provides: readonly string[]): RepoPackage {
  const { name = '', arch = '', epoch = '0', ver = '', rel = '', digest, url = '', bytes = '0' } = fields;
  const id = { epoch, version: ver, release: rel, arch };
  return {
    ...{ name, id, evra: formatEvra(id), url, provides, bytes: Number(bytes) },
    ...(digest === undefined ? {} : { digest }),
  };
}

function pick(attributes: Readonly<Record<string, string>>, ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, attributes[name] ?? '']));
}
