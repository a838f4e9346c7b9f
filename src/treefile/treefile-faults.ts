import { isAbsolute, relative } from 'node:path';
import { type Fault, formatPlace, NightlyError, type SourcePlace } from '../base/errors.ts';

/** Returns all faults of a treefile and its includes as one error, in the order they were met. */
export function treefileError(topFile: string, faults: readonly Fault[]): NightlyError {
  const lines = new Map(faults.map((fault) => [`${placeText(fault.place)}: ${fault.message}`, fault]));
  const count = lines.size === 1 ? 'a fault' : `${lines.size} faults`;
  return new NightlyError(
    'treefile',
    [`The treefile ${shortPath(topFile)} has ${count}:`, ...lines.keys()].join('\n'),
    {
      faults: [...lines.values()],
      hint: 'Correct the places above; the keys are those of rpm-ostree: https://coreos.github.io/rpm-ostree/treefile/',
    },
  );
}

/** `file:line:col` with the file as in `shortPath`. */
export function placeText(place: SourcePlace): string {
  return formatPlace({ ...place, file: shortPath(place.file) });
}

/**
 * Returns a path below the current folder without that folder, any other as it is: what a person can click or paste.
 */
export function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' || short.startsWith('..') || isAbsolute(short) ? path : short;
}
