import { type Evra, formatEvra, parseEvra } from './evr.ts';
import { FormatError } from './format-error.ts';
import { isPackageName } from './rpm-names.ts';
import { eachElement } from './xml-reader.ts';

/** An advisory of a repository's updateinfo. */
export interface Advisory {
  readonly id: string;
  /** `security`, `bugfix`, `enhancement`, … */
  readonly type: string;
  readonly severity?: string;
  readonly title: string;
  readonly cves: readonly string[];
  readonly packages: readonly (Evra & { readonly name: string })[];
}

/** Reads updateinfo.xml (as createrepo_c's and bodhi's modifyrepo write it). @throws FormatError when it is not. */
export function parseUpdateinfo(xml: string): Advisory[] {
  const advisories: Advisory[] = [];
  let fields: Record<string, string> = {};
  let cves: string[] = [];
  let packages: (Evra & { name: string })[] = [];
  eachElement(xml, 'updates', ({ path, attributes, text }) => {
    switch (path) {
      case 'updates/update/id':
      case 'updates/update/title':
      case 'updates/update/severity':
        fields[path.slice('updates/update/'.length)] = text;
        break;
      case 'updates/update/references/reference':
        cves.push(...cvesOf(attributes));
        break;
      case 'updates/update/pkglist/collection/package': {
        packages.push(packageOf(attributes));
        break;
      }
      case 'updates/update': {
        const { id = '', title = '', severity } = fields;
        const known = severity === undefined || severity === '' ? {} : { severity };
        advisories.push({ id, type: attributes['type'] ?? '', title, ...known, cves: [...new Set(cves)], packages });
        fields = {};
        cves = [];
        packages = [];
        break;
      }
    }
  });
  return advisories;
}

/** Red Hat's references name a CVE by its id; Bodhi's are to Bugzilla, where the title of a tracking bug begins with them. */
function cvesOf({ type, id = '', title = '' }: Readonly<Record<string, string>>): string[] {
  if (type === 'cve') return [id];
  return type === 'bugzilla' ? (/^(CVE-\d{4}-\d{4,}[ ,]*)+/.exec(title)?.[0].match(/CVE-\d{4}-\d{4,}/g) ?? []) : [];
}

function packageOf(attributes: Readonly<Record<string, string>>): Evra & { readonly name: string } {
  const { name = '', epoch = '', version = '', release = '', arch = '' } = attributes;
  const evra = formatEvra({ epoch: epoch === '' ? '0' : epoch, version, release, arch });
  const id = parseEvra(evra);
  if (id && isPackageName(name)) return { name, ...id };
  throw new FormatError(`it names a package that none can be: ${JSON.stringify(`${name}-${evra}`)}`);
}
