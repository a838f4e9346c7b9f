import { defineGroup } from '../define.ts';

export const config = defineGroup({
  name: 'config',
  section: 'Setting up',
  summary: 'check a configuration, or show it with every default',
  examples: ['atomic-nightly config check', 'atomic-nightly config show'],
});
