import { formatCount } from '../../base/format.ts';
import { tableLines } from '../../base/table.ts';
import { type ListedBuilder, listBuilders } from '../../rebuild/builder-list.ts';
import { readRebuildList } from '../../rebuild/rebuild-list.ts';
import { defineCommand } from '../define.ts';
import { flag } from '../inputs.ts';
import { loadRebuilds } from '../open-builders.ts';
import { type Printer, printJson } from '../print.ts';

/** `atomic-nightly builders`: who rebuilds for us, and what is known of each. */
export const builders = defineCommand({
  name: 'builders',
  section: 'Rebuilds',
  summary: 'list the machines that rebuild packages, and what they are trusted with: docs/rebuilds.md',
  options: { json: flag('for scripts, with the history of each') },
  examples: ['atomic-nightly builders', 'atomic-nightly builders --json | jq ".builders[] | select(.open > 0)"'],
  async run({ json }, { config: path, print }) {
    const config = await loadRebuilds(path);
    const list = await readRebuildList(config);
    const listed = await listBuilders(config, list);
    const faults = list.faults.map(({ message }) => message);
    if (json) printJson({ builders: listed, faults }, print);
    else {
      printTable(listed, print);
      for (const fault of faults) print(`damaged: ${fault}`);
    }
    return faults.length > 0 || listed.some(({ fault }) => fault !== undefined) ? 1 : 0;
  },
});

const HEADINGS = ['NAME', 'OPERATOR', 'LEVEL', 'LAST CHECK', 'JOBS', 'CONFIRMED', 'DISPUTES'];

function printTable(listed: readonly ListedBuilder[], print: Printer): void {
  const rows = listed.map((one) => [
    one.name,
    one.operator ?? '?',
    `${one.level ?? 'damaged'}${one.configured ? '' : ' (gone)'}`,
    checkText(one),
    String(one.jobs),
    String(one.confirmed),
    one.open > 0 ? `${one.disputes} (${one.open} open)` : String(one.disputes),
  ]);
  for (const line of tableLines([HEADINGS, ...rows])) print(line);
}

function checkText({ lastCheck }: ListedBuilder): string {
  if (lastCheck === undefined) return 'never';
  const at = `${new Date(lastCheck.at * 1000).toISOString().slice(0, 16)}Z`;
  return `${at} ${lastCheck.ok ? 'good' : `${formatCount(lastCheck.faults.length, 'fault')}`}`;
}
