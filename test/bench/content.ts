import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryOfTenThousand } from './content-repository.ts';
import { buildsTaggedTogether, unchangedTags } from './content-tags.ts';

/**
 * What it costs to publish what is tagged in koji. Arguments of the process choose some of the parts: `repository`, `tag`, `unchanged`.
 */
const PARTS = {
  repository: repositoryOfTenThousand,
  tag: buildsTaggedTogether,
  unchanged: unchangedTags,
} as const;

const chosen = process.argv.slice(2);
const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-bench-'));
try {
  for (const [name, measure] of Object.entries(PARTS)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    await mkdir(join(dir, name));
    await measure(join(dir, name));
    console.log(`load ${loadavg()[0]?.toFixed(1)}`);
  }
} finally {
  await rm(dir, { recursive: true, force: true });
}
