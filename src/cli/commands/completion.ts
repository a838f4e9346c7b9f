import { readCatalog } from '../catalog.ts';
import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { zshCompletion } from '../completion/zsh.ts';
import { defineCommand } from '../define.ts';
import { neededChoice } from '../inputs.ts';
import { inHelpOrder } from '../program.ts';

export const completion = defineCommand({
  name: 'completion',
  section: 'Help',
  summary: 'print the completion script for a shell',
  arguments: { shell: neededChoice('SHELL', ['bash', 'zsh', 'fish'], 'shell that will load it') },
  notes: 'Build ids, streams, targets and sinks are completed from the configuration that the command line names.',
  examples: [
    'source <(atomic-nightly completion bash)      (in ~/.bashrc)',
    'source <(atomic-nightly completion zsh)       (in ~/.zshrc, after compinit)',
    'atomic-nightly completion fish > ~/.config/fish/completions/atomic-nightly.fish',
  ],
  async run({ shell }, { print }) {
    const entries = inHelpOrder(await readCatalog());
    const script = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }[shell](entries);
    print(script.trimEnd());
    return 0;
  },
});
