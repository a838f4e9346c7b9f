import { capital, formatBytes, formatCount } from '../base/format.ts';
import { oneLine } from '../base/one-line.ts';
import { markdownCell } from '../base/quoting.ts';
import type { BuildDiff } from '../pipelines/diff-builds.ts';
import { changesByKind, formatDiff, type PackageChange, partNames, summarizeDiff } from '../rpm/pkgdiff.ts';

/** Returns all that differs, for people: packages as `rpm-ostree db diff` prints them, kernel, files, images. */
export function fullDiff({ pkgdiff, kernel, images, files, folders = [], update }: BuildDiff): string[] {
  return [
    formatDiff(pkgdiff),
    ...kernelLine(kernel),
    files ? filesLine(files) : 'Files: not known, because one of the trees is not in the local repository as a whole',
    ...(update ? [updateLine(update)] : []),
    ...Object.entries(images).map(([type, { from, to }]) => `Image ${type}: ${size(from)} -> ${size(to)}`),
    ...(folders.length === 0 ? [] : ['Files by folder:', ...folderLines(folders)]),
  ];
}

/** Returns one line, as `rpm-ostree status` has it: `Diff: 3 upgraded, 1 added`; with the kernel where it changed. */
export function shortDiff({ pkgdiff, kernel }: BuildDiff): string {
  return [`Diff: ${summarizeDiff(pkgdiff)}`, ...(kernel.from === kernel.to ? [] : kernelLine(kernel))].join('; ');
}

/** Returns what differs as Markdown, for an issue, an update or a wiki: a table a kind, with its words. */
export function markdownDiff({ from, to, pkgdiff, kernel, images, files, update }: BuildDiff): string[] {
  const tables = changesByKind(pkgdiff).flatMap(({ word, changes }) =>
    changes.length === 0
      ? []
      : ['', `### ${capital(word)} (${changes.length})`, '', ...tableOf(changes, capital(partNames(pkgdiff).one))],
  );
  const sizes = Object.entries(images).map(
    ([type, sizes]) => `Image ${type}: ${size(sizes.from)} -> ${size(sizes.to)}`,
  );
  return [
    `## ${from} to ${to}`,
    ...(tables.length === 0 ? ['', 'No packages changed.'] : tables),
    '',
    ...[
      ...kernelLine(kernel),
      ...(files ? [filesLine(files)] : []),
      ...(update ? [updateLine(update)] : []),
      ...sizes,
    ].map((line) => `- ${line}`),
  ];
}

function tableOf(changes: readonly PackageChange[], title: string): string[] {
  const rows = changes.map(([name, , { PreviousPackage: before, NewPackage: now }]) => {
    const version = (one: typeof before) => (one === undefined ? '' : one[2] === '' ? one[1] : `${one[1]}.${one[2]}`);
    return `| ${[name, version(before), version(now)].map(markdownCell).join(' | ')} |`;
  });
  return [`| ${title} | Before | Now |`, '|---|---|---|', ...rows];
}

const size = (bytes: number | undefined): string => (bytes === undefined ? 'none' : formatBytes(bytes));

const filesLine = ({ added, removed, changed }: NonNullable<BuildDiff['files']>): string =>
  `Files: ${added} added, ${removed} removed, ${changed} changed`;

const updateLine = ({ objects, bytes }: NonNullable<BuildDiff['update']>): string =>
  `Update: ${formatCount(objects, 'object')}, ${formatBytes(bytes)}`;

/** A tree without a kernel has nothing to say of one. */
function kernelLine({ from, to }: BuildDiff['kernel']): string[] {
  if (from === to) return to === undefined ? [] : [`Kernel: ${to}, the same`];
  return [`Kernel: ${from ?? 'none'} -> ${to ?? 'none'}`];
}

/** So many folders are shown; JSON has all. */
const FOLDERS = 20;

function folderLines(folders: NonNullable<BuildDiff['folders']>): string[] {
  const lines = folders.slice(0, FOLDERS).map(({ path, growth, ...counts }) => {
    const parts = (['added', 'removed', 'changed'] as const).flatMap((kind) =>
      counts[kind] === 0 ? [] : [`${counts[kind]} ${kind}`],
    );
    return `  ${oneLine(path)}: ${parts.join(', ')}, ${growth < 0 ? '-' : '+'}${formatBytes(Math.abs(growth))}`;
  });
  return folders.length > FOLDERS ? [...lines, `  and ${folders.length - FOLDERS} more folders`] : lines;
}
