import { asNightlyError } from '../../base/as-nightly-error.ts';
import { formatMomentAndAge } from '../../base/format.ts';
import { tableLines } from '../../base/table.ts';
import { toned } from '../../base/tone.ts';
import { processedTags, readTagState, type TagState, tagFolder } from '../../content/tag-state.ts';
import { leftLines } from '../../steps/content/left-folders.ts';
import { defineCommand } from '../define.ts';
import { flag } from '../inputs.ts';
import { loadContent } from '../open-content.ts';
import { printJson } from '../print.ts';

/** `atomic-nightly content status`: what was made of each tag last, without asking koji. */
export const contentStatus = defineCommand({
  name: 'content status',
  summary: 'show what was published of each tag last, and what is blocked',
  options: { json: flag('for scripts') },
  notes: 'It asks nobody: "content sync --all --dry-run" compares with koji.',
  examples: ['atomic-nightly content status', 'atomic-nightly content status --json | jq .tags'],
  async run({ json }, { config: path, print }) {
    const { config } = await loadContent(path);
    const tags = await statesOf(config.work);
    if (json) printJson({ tags }, print);
    else if (tags.length === 0) print('Nothing was published yet: "atomic-nightly content sync --all" does it.');
    else {
      for (const line of tableLines([HEADER, ...tags.map(cellsOf)])) print(line);
      for (const one of tags) if ('left' in one) for (const line of leftLines(one, config)) print(line);
    }
    return tags.some((one) => 'damaged' in one) ? 1 : 0;
  },
});

type Status =
  | {
      readonly tag: string;
      readonly state: string;
      readonly event: number;
      readonly at: string;
      readonly packages: number;
      readonly blocked: number;
      /** Repositories that it has left behind on targets. */
      readonly left?: TagState['left'];
    }
  | { readonly tag: string; readonly damaged: string };

/** A damaged state is one damaged tag (I15). */
async function statesOf(work: string): Promise<Status[]> {
  const names = await processedTags(work);
  const found = await Promise.all(
    names.map(async (tag): Promise<Status[]> => {
      try {
        const state = await readTagState(tagFolder(work, tag));
        if (!state) return [];
        const { event, at, packages, blocked, pushed, left } = state;
        const counts = { packages: packages.length, blocked: blocked.length, ...(left && { left }) };
        return [{ tag, state: pushed ? 'published' : 'made', event, at: new Date(at * 1000).toISOString(), ...counts }];
      } catch (error) {
        return [{ tag, damaged: asNightlyError(error).message }];
      }
    }),
  );
  return found.flat();
}

const HEADER = ['TAG', 'STATE', 'PUBLISHED', 'EVENT', 'PACKAGES', 'BLOCKED'];

function cellsOf(one: Status): string[] {
  if ('damaged' in one) return [one.tag, toned('bad', 'damaged'), one.damaged, '', '', ''];
  const { tag, state, at, event, packages, blocked } = one;
  const counts = [event, packages, blocked].map(String);
  return [tag, toned(state === 'published' ? 'good' : 'idle', state), formatMomentAndAge(new Date(at)), ...counts];
}
