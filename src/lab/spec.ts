import { rpmText } from '../base/quoting.ts';
import type { RpmRelations } from './depends.ts';
import type { RpmScripts } from './scripts.ts';
import type { Evr } from './version.ts';

/** One path of a package, `/usr/bin/foo`, with what RPM has to know about it beyond what is on disk. */
export interface PackagedFile {
  readonly path: string;
  readonly kind: 'file' | 'folder';
  readonly mark?: 'config' | 'doc';
  /** Language of a translation (`de`, `pt_BR`), for `install-langs`. */
  readonly lang?: string;
  /** Where it is not root's. */
  readonly owner?: { readonly user: string; readonly group: string } | undefined;
  /** File capabilities as `getcap` prints them, `cap_net_raw=ep`. */
  readonly capabilities?: string;
}

export interface SpecInput {
  readonly name: string;
  readonly evr: Evr;
  readonly arch: 'x86_64' | 'noarch';
  readonly summary: string;
  readonly description: string;
  readonly license: string;
  readonly url: string | undefined;
  readonly relations: RpmRelations;
  readonly scripts: RpmScripts;
  /** Packages that must be unpacked before this one. */
  readonly after: readonly string[];
  readonly files: readonly PackagedFile[];
  /** Newest first; a package that was not updated has none. */
  readonly changelog: readonly SpecChange[];
}

/** An entry of the changelog. */
export interface SpecChange {
  /** Seconds since the epoch; the day of it counts, UTC. */
  readonly time: number;
  /** `[epoch:]version-release` that it made. */
  readonly evr: string;
  readonly text: string;
}

/**
 * Returns the text of a spec file that packs a build root as it is: no compiling, no stripping, no generated
 * dependencies but on the shell of its scripts. Modes are those on disk; owners are root but where a file says
 * otherwise (rpmbuild does not take them from disk).
 */
export function specFile(input: SpecInput): string {
  const { relations, scripts } = input;
  const tags = (tag: string, values: readonly string[]): string[] => values.map((value) => `${tag}: ${value}`);
  const lines = [
    `Name: ${input.name}`,
    ...(input.evr.epoch > 0 ? [`Epoch: ${input.evr.epoch}`] : []),
    `Version: ${input.evr.version}`,
    `Release: ${input.evr.release}`,
    `Summary: ${rpmText(input.summary)}`,
    `License: ${input.license}`,
    ...(input.url ? [`URL: ${rpmText(input.url)}`] : []),
    'Group: Unspecified',
    ...(input.arch === 'noarch' ? ['BuildArch: noarch'] : []),
    'AutoReqProv: no',
    ...tags('Requires(pre)', [...input.after, ...scripts.requiresPre]),
    ...tags('Requires(post)', scripts.requiresPost),
    ...tags('OrderWithRequires(post)', scripts.orderAfter),
    ...tags('Requires', relations.requires),
    ...tags('Recommends', relations.recommends),
    ...tags('Provides', relations.provides),
    ...tags('Conflicts', relations.conflicts),
    ...tags('Obsoletes', relations.obsoletes),
    '%description',
    input.description.split('\n').map(rpmText).join('\n'),
    ...section('%pre', scripts.pre),
    ...section('%post', scripts.post),
    ...section('%preun', scripts.preun),
    ...scripts.fileTriggers.flatMap(({ folders, body }) =>
      section(`%transfiletriggerin -P ${TRIGGER_PRIORITY} -- ${folders.join(' ')}`, [body]),
    ),
    '%files',
    ...input.files.map(fileLine),
    ...(input.changelog.length === 0 ? [] : ['%changelog', ...input.changelog.flatMap(changeLines)]),
    '',
  ];
  return lines.join('\n');
}

/** Priority of Fedora's glibc: before triggers that run programs with the libraries. */
const TRIGGER_PRIORITY = 2_000_000;

/** `* Thu Jan 01 2026 NAME <ADDRESS> - VERSION`, as rpmbuild takes it. */
function changeLines({ time, evr, text }: SpecChange): string[] {
  const [weekday = '', day = '', month = '', year = ''] = new Date(time * 1000).toUTCString().split(/,? /);
  return [`* ${weekday} ${month} ${day} ${year} Lab <lab@lab.invalid> - ${rpmText(evr)}`, `- ${rpmText(text)}`];
}

const section = (head: string, lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : [head, ...lines.map(rpmText)];

function fileLine(file: PackagedFile): string {
  const marks = [
    file.kind === 'folder' ? '%dir ' : '',
    file.owner === undefined ? '' : `%attr(-, ${file.owner.user}, ${file.owner.group}) `,
    file.mark === 'config' ? '%config(noreplace) ' : '',
    file.mark === 'doc' ? '%doc ' : '',
    file.lang === undefined ? '' : `%lang(${file.lang}) `,
    file.capabilities === undefined ? '' : `%caps(${file.capabilities}) `,
  ];
  return `${marks.join('')}"${escapeGlob(file.path)}"`;
}

/** File names in %files are patterns, even within quotes; a class of one character stands for itself. */
const escapeGlob = (path: string): string => rpmText(path).replace(/[*?[]/g, (character) => `[${character}]`);
