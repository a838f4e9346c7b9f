import { defineGroup } from '../define.ts';

export const content = defineGroup({
  name: 'content',
  section: 'Content',
  summary: 'publish what SIGs tag in koji as signed repositories: docs/content.md',
  examples: ['atomic-nightly content sync --all', 'atomic-nightly content status'],
});
