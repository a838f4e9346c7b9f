import { expect, test } from 'vitest';
import { z } from 'zod';
import { NightlyError } from '../../../src/base/errors.ts';
import { callHelper } from '../../../src/engines/dnf/dnf-helper.ts';
import { temporaryFolder } from '../../support/tmp.ts';

test.each([
  'Error writing to file: No space left on device',
  '[Errno 122] Disk quota exceeded: /work/cache/packages/a.rpm',
  'installing package a needs 12MB more space on the / filesystem',
  'installing package a needs 3 more inodes on the / filesystem',
])('K7: the helper reports a full disk: %s', async (message) => {
  const event = JSON.stringify({ event: 'error', kind: 'repo', message });
  const asked = callHelper({
    verb: 'resolve',
    request: {},
    result: z.unknown(),
    fail: () => new NightlyError('repo-unreachable', 'All mirrors were tried.'),
    home: temporaryFolder(),
    wrap: () => ['sh', '-c', `cat > /dev/null; echo '${event}'; exit 3`],
  });
  await expect(asked).rejects.toMatchObject({ code: 'disk-full', message: expect.stringContaining(message) });
});
