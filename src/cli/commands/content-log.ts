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
    else for (const change of changes) printChange(change, print);
    return 0;
  },
});

function printChange({ at, event, key, pushed, added, removed }: TagChange, print: Printer): void {
  print(`${at}  event ${event}  ${pushed ? 'published' : 'made, not sent'}  key ${key}`);
  const who = ({ by, event: when }: TagChange['added'][number]): string =>
    when === undefined ? '' : `  (${by ?? 'unknown'}, event ${when})`;
  for (const one of added) print(`  + ${one.file}${who(one)}`);
  for (const one of removed) print(`  - ${one.file}${who(one)}`);
}
