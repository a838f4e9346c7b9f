import { defineGroup } from '../define.ts';

export const builders = defineGroup({
  name: 'builders',
  section: 'Rebuilds',
  summary: 'check machines of others that rebuild packages: docs/rebuilds.md',
  examples: ['atomic-nightly builders check alpha'],
});
