import { stringify } from 'yaml';
import { NightlyError } from '../../base/errors.ts';
import { harmlessLines } from '../../base/one-line.ts';
import { quietTask } from '../../base/task.ts';
import { loadConfig } from '../../config/load.ts';
import { compareProvenance, unpinnedSources } from '../../engines/provenance/compare-provenance.ts';
import { openProvenance } from '../../pipelines/open-provenance.ts';
import { provenanceDiffLines, provenanceLines, unpinnedLines } from '../../reports/provenance-lines.ts';
import { defineCommand } from '../define.ts';
import { flag, needed, optional } from '../inputs.ts';
import { warn } from '../open-run.ts';
import { printJson } from '../print.ts';

/** `atomic-nightly provenance A [B]`: what a tree is made of, or how two differ in that. Gives the exit code. */
export const provenance = defineCommand({
  name: 'provenance',
  section: 'Looking at builds',
  summary: 'show what a tree is made of: packages or components, each with its sources; or compare two',
  arguments: {
    of: needed('BUILD', 'build id, or a commit or ref of the local repository', 'build'),
    other: optional('OTHER', 'a second one, to compare with', 'build'),
  },
  options: { json: flag('for scripts: the file in the tree'), yaml: flag('the same as YAML') },
  examples: [
    'atomic-nightly provenance 20261121_02',
    'atomic-nightly provenance example/x86_64/nightly --json',
    'atomic-nightly provenance 20261120_01 20261121_02',
  ],
  async run({ of, other, json, yaml }, { config: path, logFormat, print }) {
    if (json && yaml)
      throw new NightlyError('usage', 'provenance prints JSON or YAML, not both.', { hint: 'Leave one out.' });
    const { work } = await loadConfig(path);
    const first = await openProvenance(work, of, quietTask());
    const second = other === undefined ? undefined : await openProvenance(work, other, quietTask());
    const shown = second === undefined ? first : compareProvenance(first, second);
    if (json) printJson(shown, print);
    else if (yaml) print(harmlessLines(stringify(shown).trimEnd()));
    else for (const line of 'added' in shown ? provenanceDiffLines(shown) : provenanceLines(shown)) print(line);
    warn(unpinnedLines(unpinnedSources(second ?? first)), logFormat);
    return 0;
  },
});
