import { join } from 'node:path';
import { type ListedDispute, listDisputes } from '../../rebuild/dispute-list.ts';
import { disputeFolder } from '../../rebuild/dispute-record.ts';
import { readRebuildRecords } from '../../rebuild/rebuild-records.ts';
import { noDispute } from '../../steps/rebuild/resolve-dispute.ts';
import { defineCommand } from '../define.ts';
import { flag, needed } from '../inputs.ts';
import { loadRebuilds } from '../open-builders.ts';
import { type Printer, printJson } from '../print.ts';

/** `atomic-nightly disputes show ID`: what differs, where the evidence is, and what people said. */
export const disputesShow = defineCommand({
  name: 'disputes show',
  summary: 'show what differs, where the evidence is, and what was said of it',
  arguments: { dispute: needed('ID', 'dispute') },
  options: { json: flag('for scripts') },
  examples: ['atomic-nightly disputes show 3f9c0a7b1d2e'],
  async run({ dispute: id, json }, { config: path, print }) {
    const config = await loadRebuilds(path);
    const found = listDisputes(await readRebuildRecords(config)).find(({ dispute }) => dispute.id === id);
    if (found === undefined) throw noDispute(id);
    const folder = disputeFolder(config.work, id);
    if (json) printJson({ ...found, folder }, print);
    else printDispute(found, folder, print);
    return 0;
  },
});

function printDispute({ dispute, open, verdicts }: ListedDispute, folder: string, print: Printer): void {
  const { id, kind, source, arch, root, one, other, packages, evidence, class: known } = dispute;
  print(`${id}: ${source.nevra} for ${arch}, ${open ? `open ${kind}` : 'resolved'}; class ${known}`);
  print(`  build root: ${root}`);
  for (const [name, side] of Object.entries({ one, other }))
    print(`  ${name.padEnd(6)} ${side.operator}/${side.builder}, job ${side.job}, ${side.outcome}`);
  for (const { package: nevra, one: left, other: right, tags } of packages) {
    print(`  ${nevra}: ${left ?? 'not made'} and ${right ?? 'not made'}`);
    for (const tag of tags ?? []) {
      print(`    ${tag.tag}: ${tag.count} ${tag.count === 1 ? 'value differs' : 'values differ'}`);
      for (const [at, value] of tag.one.slice(0, SHOWN).entries())
        print(
          `      ${tag.files?.[at] === undefined ? '' : `${tag.files[at]}: `}${value} and ${tag.other[at] ?? 'nothing'}`,
        );
    }
  }
  for (const file of evidence) print(`  evidence: ${join(folder, file)}`);
  for (const { at, by, verdict, builders, note } of verdicts) {
    const whom = builders.length === 0 ? '' : ` (${builders.join(', ')})`;
    print(`  ${new Date(at * 1000).toISOString()} ${by}: ${verdict}${whom}: ${note}`);
  }
  if (open) print(ADVICE);
}

/** Values of a tag that are printed; the record has more. */
const SHOWN = 5;

const ADVICE =
  'Two builders with the same tampering agree with each other, and the odd one out is not necessarily the cheat: have it built by further operators before you resolve it.';
