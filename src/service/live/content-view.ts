import { readTagFailure } from '../../content/tag-failure.ts';
import { readHistory } from '../../content/tag-history.ts';
import { processedTags, readTagState, tagFolder } from '../../content/tag-state.ts';
import { brandOf } from '../../reports/pages/brand.ts';
import { contentPage, type ListedTag, tagPage } from '../../reports/pages/content-pages.ts';
import type { ContentStatus } from '../content/content-service.ts';
import type { WebContext } from './live-context.ts';

/** Publications that the page of a tag lists; `content log` has all. */
const LISTED = 30;

/** Returns the page of all tags: those that were processed, and those in the queue. */
export async function allTags({ config, content }: WebContext) {
  const status = content();
  const names = [
    ...new Set([...(await processedTags(config.work)), ...(status?.tags ?? []).map(({ tag }) => tag)]),
  ].sort();
  const tags = await Promise.all(names.map((tag) => listed(config.work, tag, status)));
  return contentPage({ product: brandOf(config).name, awaySince: status?.awaySince }, tags);
}

/** Returns the page of a tag; undefined when there is none of that name. */
export async function oneTag({ config, content }: WebContext, tag: string) {
  const status = content();
  // The name of a folder that is there, and nothing that somebody asks for, becomes a path (I12).
  const found = [...(await processedTags(config.work)), ...(status?.tags ?? []).map((one) => one.tag)].find(
    (name) => name === tag,
  );
  if (found === undefined) return undefined;
  const history = await readHistory(tagFolder(config.work, found));
  return tagPage(
    { product: brandOf(config).name },
    await listed(config.work, found, status),
    history.slice(-LISTED).toReversed(),
  );
}

async function listed(work: string, tag: string, status: ContentStatus | undefined): Promise<ListedTag> {
  const queued = status?.tags.find((one) => one.tag === tag);
  const known = status?.problems.find((one) => one.tag === tag)?.why;
  try {
    const state = await readTagState(tagFolder(work, tag));
    const problem = known ?? (await readTagFailure(tagFolder(work, tag)))?.why;
    const made = state && { ...state, packages: state.packages.length };
    return { tag, made, queued, problem };
  } catch (error) {
    // One record that is damaged hides no other (I15).
    return { tag, queued, problem: error instanceof Error ? error.message : String(error) };
  }
}
