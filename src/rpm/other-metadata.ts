import { type ChangelogEntry, changelogEntry } from './changelog.ts';
import { formatEvra, parseEvra } from './evr.ts';
import { eachElement } from './xml-reader.ts';

/**
 * Reads the changelogs of some packages in other.xml (createrepo_c's, the format of http://linux.duke.edu/metadata/other), newest
 * entry first. createrepo_c keeps the last ten of each package.
 * @param wanted `name-[epoch:]version-release.arch`
 * @throws FormatError when it is not, and when an entry has a time that none can have.
 */
export function parseOther(xml: string, wanted: ReadonlySet<string>): Map<string, readonly ChangelogEntry[]> {
  const found = new Map<string, readonly ChangelogEntry[]>();
  let entries: { readonly time: string; readonly author: string; readonly text: string }[] = [];
  let version: Readonly<Record<string, string>> = {};
  eachElement(xml, 'otherdata', ({ path, attributes, text }) => {
    switch (path) {
      case 'otherdata/package/version':
        version = attributes;
        break;
      case 'otherdata/package/changelog':
        entries.push({ time: attributes['date'] ?? '', author: attributes['author'] ?? '', text });
        break;
      case 'otherdata/package': {
        const { epoch = '0', ver = '', rel = '' } = version;
        const { name = '', arch = '' } = attributes;
        const id = parseEvra(formatEvra({ epoch, version: ver, release: rel, arch }));
        const nevra = id && `${name}-${formatEvra(id)}`;
        if (nevra !== undefined && wanted.has(nevra)) found.set(nevra, newestFirst(entries.map(entryOf)));
        entries = [];
        version = {};
        break;
      }
    }
  });
  return found;
}

const entryOf = ({ time, author, text }: { time: string; author: string; text: string }): ChangelogEntry =>
  changelogEntry(/^\d{1,12}$/.test(time) ? Number(time) : Number.NaN, author, text);

/** createrepo_c writes the oldest first; entries of one day keep their order. */
function newestFirst(entries: readonly ChangelogEntry[]): ChangelogEntry[] {
  return entries.toReversed().toSorted((a, b) => b.time - a.time);
}
