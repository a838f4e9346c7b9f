import { asNightlyError } from '../../base/as-nightly-error.ts';
import { formatMomentAndAge } from '../../base/format.ts';
import { tableLines } from '../../base/table.ts';
import { toned } from '../../base/tone.ts';
import { EXIT } from '../../build/outcomes.ts';
import type { Config } from '../../config/config.ts';
import { readTagFailure } from '../../content/tag-failure.ts';
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
  exitCodes: { 0: 'each tag is as it was made last', 1: 'the last sync of a tag failed, or its record is damaged' },
  notes: 'It asks nobody: "content sync --all --dry-run" compares with koji.',
  examples: ['atomic-nightly content status', 'atomic-nightly content status --json | jq .tags'],
  async run({ json }, { config: path, print }) {
    const { config } = await loadContent(path);
    const tags = await statesOf(config.work);
    if (json) printJson({ tags }, print);
    else if (tags.length === 0) print('Nothing was published yet: "atomic-nightly content sync --all" does it.');
    else {
      for (const line of tableLines([HEADER, ...tags.map(cellsOf)])) print(line);
      for (const line of tags.flatMap((one) => remarks(one, config))) print(line);
    }
    return tags.some((one) => 'damaged' in one || one.failure) ? EXIT.failed : EXIT.done;
  },
});

type Status =
  | {
      readonly tag: string;
      readonly state: 'published' | 'made' | 'none yet';
      readonly event?: number;
      readonly at?: string;
      readonly packages: number;
      readonly blocked: number;
      /** Repositories that it has left behind on targets. */
      readonly left?: TagState['left'];
      /** Why its last sync failed, and since when they do. */
      readonly failure?: { readonly since: string; readonly code: string; readonly why: string };
    }
  | { readonly tag: string; readonly damaged: string };

/** A damaged state is one damaged tag (I15). */
async function statesOf(work: string): Promise<Status[]> {
  const names = await processedTags(work);
  const found = await Promise.all(
    names.map(async (tag): Promise<Status[]> => {
      try {
        const status = await statusOf(tag, tagFolder(work, tag));
        return status ? [status] : [];
      } catch (error) {
        return [{ tag, damaged: asNightlyError(error).message }];
      }
    }),
  );
  return found.flat();
}

async function statusOf(tag: string, folder: string): Promise<Status | undefined> {
  const [state, found] = [await readTagState(folder), await readTagFailure(folder)];
  const failure = found && { failure: { since: moment(found.since), code: found.code, why: found.why } };
  if (!state) return failure && { tag, state: 'none yet', packages: 0, blocked: 0, ...failure };
  const { event, at, packages, blocked, pushed, left } = state;
  const counts = { packages: packages.length, blocked: blocked.length, ...(left && { left }) };
  return { tag, state: pushed ? 'published' : 'made', event, at: moment(at), ...counts, ...failure };
}

const moment = (seconds: number): string => new Date(seconds * 1000).toISOString();

const HEADER = ['TAG', 'STATE', 'PUBLISHED', 'EVENT', 'PACKAGES', 'BLOCKED'];

function cellsOf(one: Status): string[] {
  if ('damaged' in one) return [one.tag, toned('bad', 'damaged'), one.damaged, '', '', ''];
  const { tag, state, at, event, packages, blocked, failure } = one;
  const shown = failure ? toned('bad', 'failed') : toned(state === 'published' ? 'good' : 'idle', state);
  const when = at === undefined ? 'never' : formatMomentAndAge(new Date(at));
  return [tag, shown, when, event === undefined ? '-' : String(event), String(packages), String(blocked)];
}

/** What a person should know of a tag beside its row. */
function remarks(one: Status, config: Config): string[] {
  if ('damaged' in one) return [];
  const { tag, failure } = one;
  const failed = failure && `${tag} has failed since ${formatMomentAndAge(new Date(failure.since))}: ${failure.why}`;
  return [...(failed === undefined ? [] : [failed]), ...leftLines(one, config)];
}
