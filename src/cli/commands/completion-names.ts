import { BUILD_NAMES } from '../../build/build-name.ts';
import { listBuildIds } from '../../build/build-store.ts';
import { surveyTags } from '../../build/build-tags.ts';
import { loadConfig } from '../../config/load.ts';
import { ASKED } from '../completion/completed.ts';
import { defineCommand } from '../define.ts';
import { neededChoice } from '../inputs.ts';

/** How many builds are offered: nobody chooses among a year of them. */
const MOST_BUILDS = 50;

export const completionNames = defineCommand({
  name: 'completion-names',
  hidden: true,
  summary: 'print the names of a kind, a line each, for the scripts of "completion"',
  arguments: { kind: neededChoice('KIND', ASKED, 'what they name') },
  async run({ kind }, { config: path, print }) {
    const { work, streams, targets, notify } = await loadConfig(path);
    const tags = async () => (await surveyTags(work)).tags.map(({ name }) => name);
    const names = {
      build: async () => [...BUILD_NAMES, ...(await tags()), ...(await listBuildIds(work)).slice(0, MOST_BUILDS)],
      tag: tags,
      stream: async () => Object.keys(streams),
      target: async () => Object.keys(targets),
      sink: async () => notify.map(({ name }) => name),
    };
    for (const name of await names[kind]()) print(name);
    return 0;
  },
});
