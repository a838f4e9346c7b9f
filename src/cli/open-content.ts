import { NightlyError } from '../base/errors.ts';
import { didYouMean } from '../base/nearest.ts';
import { quietTask, type Task } from '../base/task.ts';
import type { Config, ContentConfig, KojiConfig } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import type { AssignedTag, Assignment } from '../content/assign-tags.ts';

/** A configuration that has content. */
export interface OpenContent {
  readonly config: Config;
  readonly koji: KojiConfig;
  readonly content: ContentConfig;
}

/** Reads a configuration that has content. @throws NightlyError `config` */
export async function loadContent(path: string): Promise<OpenContent> {
  const config = await loadConfig(path);
  const { koji, content } = config;
  if (koji && content) return { config, koji, content };
  throw new NightlyError('config', `${config.path} has no content to publish.`, {
    hint: 'Add the blocks koji and content: docs/content.md.',
  });
}

/** Returns the tags that were named, or all. @throws NightlyError `config` for one with a fault, `usage` for one that no rule is for. */
export function chosenTags(
  { assigned, faults }: Assignment,
  names: readonly string[],
  all: boolean,
): readonly AssignedTag[] {
  if (all) return assigned;
  return names.map((name) => {
    const found = assigned.find(({ tag }) => tag === name);
    if (found) return found;
    const fault = faults.find(({ tag }) => tag === name);
    if (fault) throw tagFault(fault);
    throw new NightlyError(
      'usage',
      `No rule is for a tag "${name}" of the hub.${didYouMean(
        name,
        assigned.map(({ tag }) => tag),
      )}`,
      {
        hint: 'The rules of the content block say which tags are published; "content status" lists what was.',
      },
    );
  });
}

/** What to throw for a tag that the configuration does not say one thing of. */
export function tagFault({ tag, why }: Assignment['faults'][number]): NightlyError {
  return new NightlyError('config', `${tag} is left alone: ${why}.`, {
    hint: 'Correct the rules of the content block, or exclude the tag.',
  });
}

/** A task for what is asked before a tag is processed. */
export const askingTask = (signal: AbortSignal, say: (line: string) => void): Task => ({
  ...quietTask(undefined, signal),
  say,
});
