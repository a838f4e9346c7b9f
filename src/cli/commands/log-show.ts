import { formatCount } from '../../base/format.ts';
import { tableLines } from '../../base/table.ts';
import { quietTask } from '../../base/task.ts';
import { formatVkey } from '../../log/note-keys.ts';
import { openLog, readLogHead } from '../../publish/log/log-files.ts';
import { openReleaseLog } from '../../publish/log/release-log.ts';
import { type LogEntry, parseEntry } from '../../published/log-entry.ts';
import { defineCommand } from '../define.ts';
import { flag, number } from '../inputs.ts';
import { loadLoggedConfig } from '../open-log.ts';
import { printJson } from '../print.ts';

export const logShow = defineCommand({
  name: 'log show',
  summary: 'show key, size and last entries of the release log',
  options: { last: number('COUNT', 'so many entries', 10), json: flag('for scripts') },
  examples: ['atomic-nightly log show', 'atomic-nightly log show --last 1 --json | jq .entries'],
  interruptible: true,
  async run({ last, json }, { config: path, signal, print }) {
    const config = await loadLoggedConfig(path);
    const log = await openReleaseLog(config);
    const task = quietTask(undefined, signal);
    const head = await readLogHead(log.home, { log: log.key }, task);
    const { origin, size, root } = head.checkpoint;
    const tree = await openLog(log.home, head, task);
    const entries: { readonly index: number; readonly entry: LogEntry | undefined }[] = [];
    for (let index = Math.max(0, size - last); index < size; index += 1) {
      entries.push({ index, entry: parseEntry(await tree.entry(index), { file: `log, entry ${index}` }) });
    }
    const url = `${log.home.publicUrl}/log`;
    const about = { origin, url, key: formatVkey(log.key), size, root: root.toString('base64') };
    if (json) {
      printJson(
        { ...about, entries: entries.map(({ index, entry }) => ({ index, ...(entry ?? { kind: 'other' }) })) },
        print,
      );
      return 0;
    }
    for (const [name, value] of Object.entries(about)) print(`${`${name}:`.padEnd(8)} ${value}`);
    const rows = entries.map(({ index, entry }) => [String(index), entry?.kind ?? 'other', contentOf(entry)]);
    if (rows.length > 0) for (const line of ['', ...tableLines([HEADER, ...rows])]) print(line);
    return 0;
  },
});

const HEADER = ['ENTRY', 'KIND', 'WHAT'];

/** What an entry says beside its kind, in a line. */
function contentOf(entry: LogEntry | undefined): string {
  switch (entry?.kind) {
    case undefined:
      return 'in the format of somebody else';
    case 'ref':
      return `${entry.ref} ${entry.commit.slice(0, 12)} ${entry.version ?? ''}`.trimEnd();
    case 'build':
      return `${entry.id} ${entry.arch}, ${formatCount(entry.files.length, 'file')}${partOf(entry)}`;
    case 'build-changed':
      return `${entry.id} ${entry.arch}: ${entry.change}, ${formatCount(entry.files.length, 'file')}${partOf(entry)}`;
    case 'release':
      return `${entry.id} ${entry.arch} of ${entry.of.id}`;
    case 'withdraw':
      return `${entry.ids.join(', ')} by ${entry.by}: ${entry.reason}`;
    case 'prune':
      return `${formatCount(entry.commits.length, 'commit')}, ${formatCount(entry.builds.length, 'build')}${partOf(entry)}`;
    case 'rpms':
      return entry.folder;
    case 'key':
      return `${entry.use}${entry.stream === undefined ? '' : ` of ${entry.stream}`}: ${entry.current.join(' ')}`;
    case 'tool':
      return `${entry.file.path} ${entry.version}`;
  }
}

const partOf = ({ part }: { readonly part?: { readonly number: number; readonly of: number } }): string =>
  part === undefined ? '' : ` (part ${part.number} of ${part.of})`;
