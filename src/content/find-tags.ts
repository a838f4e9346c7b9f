import type { ContentConfig } from '../config/config.ts';
import { hubPattern } from '../config/tag-pattern.ts';
import type { Hub } from '../koji/hub.ts';
import { listTags } from '../koji/hub-queries.ts';
import { type Assignment, assignTags } from './assign-tags.ts';

/** Returns the tags of the hub that the rules are for, with what becomes of each. @throws NightlyError `koji`, `koji-unreachable` */
export async function findTags(hub: Hub, content: ContentConfig): Promise<Assignment> {
  const patterns = [...new Set(content.rules.map(({ tags }) => hubPattern(tags)))];
  const lists = await hub.together(patterns.map((pattern) => listTags(pattern)));
  return assignTags(
    content,
    lists.flat().map(({ name }) => name),
  );
}
