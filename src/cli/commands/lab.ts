import { defineGroup } from '../define.ts';

export const lab = defineGroup({
  name: 'lab',
  section: 'Setting up',
  summary: 'try everything without a CentOS mirror: a tiny distribution made from Debian packages',
  examples: [
    'atomic-nightly lab build ./lab --url http://127.0.0.1:8087',
    'atomic-nightly lab update ./lab less curl --kernel',
    'atomic-nightly lab demo ./demo',
  ],
});
