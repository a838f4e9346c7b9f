import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import type { OpenBuilders } from '../../src/pipelines/rebuild.ts';
import type { TestMachine } from './machines.ts';
import type { RebuildWorld } from './rebuild-world.ts';

/** Packages that a build root of the test's own tools needs beside what a source package asks for. */
const ROOT = ['rpm-build', 'setup', 'mini-release'];

/** Writes a configuration whose builders are these machines, and opens it. @param changes of the block `builders` */
export async function openTestBuilders(
  { dir, distro }: RebuildWorld,
  machines: readonly Pick<TestMachine, 'config'>[],
  changes: Readonly<Record<string, unknown>> = {},
): Promise<OpenBuilders & { readonly path: string }> {
  const path = join(dir, 'atomic-nightly.yaml');
  const written = {
    name: 'lab',
    work: join(dir, 'work'),
    targets: { here: { type: 'directory', path: join(dir, 'published'), url: 'http://localhost' } },
    streams: { nightly: { treefile: distro.treefile, targets: ['here'] } },
    builders: {
      machines: machines.map(({ config }) => config),
      'known-good': [distro.repoFile],
      repositories: [distro.repoFile],
      root: ROOT,
      ...changes,
    },
  };
  await writeFile(path, JSON.stringify(written));
  const config = await loadConfig(path);
  if (!config.builders) throw new Error('the configuration has no builders');
  return { config, builders: config.builders, path };
}
