import { defineGroup } from '../define.ts';

export const keys = defineGroup({
  name: 'keys',
  section: 'Setting up',
  summary: 'manage signing keys: docs/signing.md',
  examples: [
    'atomic-nightly keys show',
    'atomic-nightly keys generate --name "Atomic SIG" --email atomic@example.org --passphrase-file pass --out keys-2026',
  ],
});
