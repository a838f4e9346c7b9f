import { join } from 'node:path';
import { expect, it } from 'vitest';
import { verifyPublished } from '../../src/publish/fresh-client.ts';
import { mountTmpfs } from '../support/mounts.ts';
import { TEST_REF } from '../support/ostree-repo.ts';
import { publishedTarget } from '../support/published-target.ts';
import { temporaryFolder } from '../support/tmp.ts';

it('I12: a disk that has no room for a fresh client is the cause, and nothing is said of what is served', async () => {
  const { url, builds, task } = await publishedTarget(temporaryFolder(), { nights: 1 });
  const scratchDir = join(temporaryFolder(), 'full');
  await mountTmpfs(scratchDir, 'size=100k');
  const commit = builds[0]?.commit ?? '';
  const request = { url: `${url}/repo`, ref: TEST_REF, commit, gpgKeys: [], scratchDir };
  await expect(verifyPublished(request, task)).rejects.toMatchObject({
    code: 'disk-full',
    message: expect.stringMatching(`^The disk is full at ${scratchDir}: a fresh client of `),
  });
});
