import { tableLines } from '../../base/table.ts';
import { readHistory, type TagChange } from '../../content/tag-history.ts';
import { tagFolder } from '../../content/tag-state.ts';
import { defineCommand, usageError } from '../define.ts';
import { flag, needed } from '../inputs.ts';
import { loadContent } from '../open-content.ts';
import { type Printer, printJson } from '../print.ts';

/** `atomic-nightly content log TAG`: each publication of a tag, with who tagged what. */
export const contentLog = defineCommand({
  name: 'content log',
  summary: 'show the publications of a tag: who tagged or untagged what, at which event, signed by which key',
  arguments: { tag: needed('TAG', 'tag of koji') },
  options: { json: flag('for scripts') },
  examples: [
    'atomic-nightly content log storage8-ceph-release',
    'atomic-nightly content log storage8-ceph-release --json | jq .changes[-1]',
  ],
  async run({ tag, json }, { config: path, print }) {
    if (!/^[A-Za-z0-9][\w.+-]*$/.test(tag)) throw usageError('content log', `"${tag}" is not the name of a tag.`);
    const { config } = await loadContent(path);
    const changes = await readHistory(tagFolder(config.work, tag));
    if (json) printJson({ tag, changes }, print);
    else if (changes.length > 0) printChanges(changes, print);
    else print(`Nothing was published of a tag "${tag}" yet.`);
    return 0;
  },
});

const HEADER = ['TIME', 'EVENT', 'STATE', 'KEY'];

/** A line for each publication, and below it what was added and removed. */
function printChanges(changes: readonly TagChange[], print: Printer): void {
  const rows = changes.map(({ at, event, key, pushed }) => [
    at,
    `${event}`,
    pushed ? 'published' : 'made, not sent',
    key,
  ]);
  const [header = '', ...lines] = tableLines([HEADER, ...rows]);
  print(header);
  for (const [index, line] of lines.entries()) {
    print(line);
    const { added = [], removed = [] } = changes[index] ?? {};
    for (const one of added) print(`  + ${one.file}${whoTagged(one)}`);
    for (const one of removed) print(`  - ${one.file}${whoTagged(one)}`);
  }
}

function whoTagged({ by, event }: TagChange['added'][number]): string {
  return event === undefined ? '' : `  (${by ?? 'unknown'}, event ${event})`;
}
