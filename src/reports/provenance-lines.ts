import { oneLine } from '../base/one-line.ts';
import { tableLines } from '../base/table.ts';
import type { Part, ProvenanceDiff, UnpinnedSource } from '../engines/provenance/compare-provenance.ts';
import type { Provenance, TreefileProvenance } from '../engines/provenance/provenance-format.ts';

type Component = Provenance['components'][number];
type Source = Component['sources'][number];

/** Returns what a tree is made of, for people: tables of components and packages, each with where it comes from. */
export function provenanceLines({ treefile, packages, debs, components }: Provenance): string[] {
  const sections = [
    treefile === undefined ? [] : treefileLines(treefile),
    section('Components', componentTable(components), components.length),
    section('Packages', table(PACKAGE_COLUMNS, packages), packages.length),
    section('Debian packages', table(DEB_COLUMNS, debs), debs.length),
  ].filter((lines) => lines.length > 0);
  return sections.length === 0 ? ['The tree names nothing that it is made of.'] : sections.flat();
}

const section = (title: string, lines: readonly string[], count: number): string[] =>
  count === 0 ? [] : [`${title}: ${count}`, ...lines.map((line) => `  ${line}`)];

function treefileLines({ digest, files, elsewhere = [] }: TreefileProvenance): string[] {
  const rows = [...files, ...elsewhere.map((sha256) => ({ path: 'a file by an absolute path', sha256 }))];
  return [`Treefile: ${digest}`, ...table(FILE_COLUMNS, rows).map((line) => `  ${line}`)];
}

/** The header of a column, and what stands in it. */
type Columns<Row> = readonly (readonly [string, (row: Row) => string | undefined])[];

const FILE_COLUMNS: Columns<TreefileProvenance['files'][number]> = [
  ['FILE', ({ path }) => path],
  ['DIGEST', ({ sha256 }) => `sha256:${sha256}`],
];

const PACKAGE_COLUMNS: Columns<Provenance['packages'][number]> = [
  ['PACKAGE', ({ nevra }) => nevra],
  ['REPOSITORY', ({ repository }) => repository],
  ['SOURCE', ({ source }) => source],
  ['LICENCE', ({ licence }) => licence],
  ['KEY', ({ key }) => (key === null ? 'not signed' : key)],
  ['FROM', ({ vcs }) => vcs],
  ['HEADER', ({ header }) => header],
];

const DEB_COLUMNS: Columns<Provenance['debs'][number]> = [
  ['PACKAGE', ({ name }) => name],
  ['VERSION', ({ version }) => version],
  ['ARCH', ({ arch }) => arch],
  ['SOURCE', ({ source }) => source],
];

const COMPONENT_COLUMNS: Columns<Component> = [
  ['COMPONENT', ({ name }) => name],
  ['VERSION', ({ version }) => version],
  ['KIND', ({ kind }) => kind],
  ['LICENCE', ({ licence }) => licence],
  ['KEY', ({ key }) => key],
];

/** Returns a table with those of the columns in which something stands. */
function table<Row>(columns: Columns<Row>, rows: readonly Row[]): string[] {
  const filled = columns.filter(([, cellOf]) => rows.some((row) => cellOf(row)));
  return tableLines([
    filled.map(([title]) => title),
    ...rows.map((row) => filled.map(([, cellOf]) => oneLine(cellOf(row) ?? ''))),
  ]);
}

/** The table of components, with the sources of each below it. */
function componentTable(components: readonly Component[]): string[] {
  const [head = '', ...lines] = table(COMPONENT_COLUMNS, components);
  const below = ({ sources }: Component) => sources.map((one) => `  ${sourceText(one)}`);
  return [head, ...components.flatMap((one, index) => [lines[index] ?? '', ...below(one)])];
}

function componentLines(component: Component): string[] {
  return [partLine({ type: 'component', ...component }), ...component.sources.map((one) => `  ${sourceText(one)}`)];
}

/** A part on one line: what it is, and where it comes from. */
function partLine(part: Part): string {
  switch (part.type) {
    case 'rpm': {
      const { nevra, repository, source, licence, vcs, header, key } = part;
      return joined(nevra, [
        repository && `from ${repository}`,
        source,
        vcs,
        licence,
        header,
        key === null ? 'not signed' : key && `key ${key}`,
      ]);
    }
    case 'deb':
      return joined(`${part.name} ${part.version} ${part.arch}`, [part.source && `source ${part.source}`]);
    case 'component': {
      const { name, version, kind, key, licence } = part;
      return joined(`${name}${version === undefined ? '' : ` ${version}`}`, [kind, licence, key && `key ${key}`]);
    }
  }
}

const joined = (first: string, others: readonly (string | undefined | null)[]): string =>
  oneLine([first, ...others.filter((one) => one)].join(', '));

function sourceText({ kind, url, commit, digest }: Source): string {
  const pinned = [commit && `commit ${commit}`, digest].filter((one) => one);
  return oneLine([kind, url, ...(pinned.length === 0 ? ['not pinned'] : pinned)].filter((one) => one).join(' '));
}

/** Returns what differs between two trees. */
export function provenanceDiffLines({ added, removed, changed, treefile }: ProvenanceDiff): string[] {
  const whole = (part: Part): string[] => (part.type === 'component' ? componentLines(part) : [partLine(part)]);
  const lines = [
    ...titled('Added', added.flatMap(whole)),
    ...titled('Removed', removed.flatMap(whole)),
    ...titled(
      'Changed',
      changed.flatMap(({ from, to }) => changeLines(from, to)),
    ),
    ...(treefile === undefined ? [] : treefileDiffLines(treefile)),
  ];
  return lines.length === 0 ? ['Both trees are made of the same.'] : lines;
}

const titled = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)];

/** Only what differs of a part is named twice. */
function changeLines(from: Part, to: Part): string[] {
  const [before, after] = [partLine(from), partLine(to)];
  const head = before === after ? [after] : [before, `  -> ${after}`];
  if (from.type !== 'component' || to.type !== 'component') return head;
  const [old, now] = [from.sources.map(sourceText), to.sources.map(sourceText)];
  return [
    ...head,
    ...old.filter((one) => !now.includes(one)).map((one) => `  - ${one}`),
    ...now.filter((one) => !old.includes(one)).map((one) => `  + ${one}`),
  ];
}

function treefileDiffLines({ added, removed, changed }: NonNullable<ProvenanceDiff['treefile']>): string[] {
  const lines = [
    ...added.map((path) => `  added ${oneLine(path)}`),
    ...removed.map((path) => `  removed ${oneLine(path)}`),
    ...changed.map((path) => `  changed ${oneLine(path)}`),
  ];
  return lines.length === 0 ? ['Treefile: another file by an absolute path, or other modes'] : ['Treefile:', ...lines];
}

/** Returns a warning for each source that nothing pins. */
export function unpinnedLines(unpinned: readonly UnpinnedSource[]): string[] {
  return unpinned.map(({ component, source: { kind, url } }) =>
    oneLine(
      `${component} has a source that is not pinned: ${kind}${url === undefined ? '' : ` ${url}`}. It need not give the same again.`,
    ),
  );
}
