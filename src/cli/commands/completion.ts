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
  summary: 'print a script that has a shell complete commands, options and the names they take',
  arguments: { shell: neededChoice('SHELL', ['bash', 'zsh', 'fish'], 'shell that is to load it') },
  notes: 'Build ids, streams, targets and sinks are completed as the configuration has them that the line names.',
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
