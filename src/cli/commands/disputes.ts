import { tableLines } from '../../base/table.ts';
import { toned } from '../../base/tone.ts';
import { EXIT } from '../../build/outcomes.ts';
import { listDisputes } from '../../rebuild/dispute-list.ts';
import { type DisputeRow, readRebuildList } from '../../rebuild/rebuild-list.ts';
import { readRebuildRecords } from '../../rebuild/rebuild-records.ts';
import { defineCommand } from '../define.ts';
import { flag } from '../inputs.ts';
import { loadRebuilds } from '../open-builders.ts';
import { printJson } from '../print.ts';

/** `atomic-nightly disputes`: results that should be the same and are not. */
export const disputes = defineCommand({
  name: 'disputes',
  section: 'Rebuilds',
  summary: 'list rebuilds that should be the same and are not: docs/rebuilds.md',
  options: { all: flag('with those that are resolved'), json: flag('for scripts') },
  exitCodes: { 0: 'none is open', 12: 'some wait for a person' },
  examples: ['atomic-nightly disputes', 'atomic-nightly disputes --all --json'],
  async run({ all, json }, { config: path, print }) {
    const config = await loadRebuilds(path);
    const isShown = ({ open }: { readonly open: boolean }) => all || open;
    if (json) {
      // Scripts are given whole records.
      const listed = listDisputes(await readRebuildRecords(config));
      printJson(listed.filter(isShown), print);
      return exitCodeOf(listed);
    }
    const { disputes: listed } = await readRebuildList(config);
    const shown = listed.filter(isShown);
    if (shown.length === 0) print(all ? 'There never was one.' : 'None is open.');
    else for (const line of tableLines([HEADER, ...shown.map(cellsOf)])) print(line);
    return exitCodeOf(listed);
  },
});

const exitCodeOf = (listed: readonly { readonly open: boolean }[]): number =>
  listed.some(({ open }) => open) ? EXIT.gateFailed : 0;

const HEADER = ['DISPUTE', 'DATE', 'STATE', 'SOURCE', 'BETWEEN'];

function cellsOf({ id, kind, source, one, other, at, open, verdict }: DisputeRow): string[] {
  const state = open ? `open ${kind}` : (verdict?.verdict ?? kind);
  const sides = `${one.operator}/${one.builder} and ${other.operator}/${other.builder}`;
  return [id, new Date(at * 1000).toISOString().slice(0, 10), toned(open ? 'bad' : 'idle', state), source, sides];
}
