import { defineGroup } from '../define.ts';

export const notify = defineGroup({
  name: 'notify',
  section: 'Setting up',
  summary: 'test notification sinks: docs/notify.md',
  examples: ['atomic-nightly notify test', 'atomic-nightly notify test --sink mail'],
});
