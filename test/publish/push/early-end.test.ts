import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openLocalRepo } from '../../../src/ostree/local-repo.ts';
import { pushToReceiver } from '../../../src/publish/push/push-to-receiver.ts';
import { openReceiverLine } from '../../../src/publish/push/receiver-line.ts';
import { commitTestTree, makeRepo, TEST_REF } from '../../support/ostree-repo.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

/** Asks an account whose ssh has ended, in a way of its own, before this program says its first word. */
async function askAfter(ssh: string) {
  const bin = join(temporaryFolder(), 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'ssh'), `#!/bin/sh\n${ssh}\n`);
  await chmod(join(bin, 'ssh'), 0o755);
  const path = process.env['PATH'];
  process.env['PATH'] = `${bin}:${path}`;
  onTestFinished(() => {
    process.env['PATH'] = path;
  });
  const repo = await makeRepo(temporaryFolder());
  const commit = await commitTestTree({ repo, tree: { a: '1' } });
  const task = testTask(temporaryFolder());
  const line = openReceiverLine({ account: 'root@far', path: '/srv/repo', ssh: {} }, task);
  await line.hangUp().catch(() => undefined);
  const request = { forceOlder: false, deltas: false, dryRun: false, stateDir: join(temporaryFolder(), 'state') };
  const source = await openLocalRepo(repo);
  return pushToReceiver(line, { ...request, source, refs: [{ ref: TEST_REF, commit, isTag: false }] }, task);
}

describe('an account that answered before this machine could ask', () => {
  it.each([
    ['a shell without the command', 'echo "sh: atomic-nightly: not found" >&2; exit 127'],
    ['another forced command', 'echo "This account is for backups."; exit 0'],
    ['one that fails in silence', 'exit 1'],
  ])('is known to take no pushes: %s', async (_, ssh) => {
    await expect(askAfter(ssh)).resolves.toBeUndefined();
  });

  it.each([
    ['Permission denied (publickey).', 'target-permission'],
    ['Host key verification failed.', 'target-host-key'],
    ['ssh: connect to host far port 22: Connection refused', 'target-unreachable'],
  ])('is told by what ssh says: %s', async (said, code) => {
    await expect(askAfter(`echo '${said}' >&2; exit 255`)).rejects.toMatchObject({ code });
  });

  it('is heard when it refused at once', async () => {
    const refused = { code: 'target-permission', message: 'No pushes before Monday.' };
    const asked = askAfter(`echo '${JSON.stringify({ refused })}'; exit 1`);
    await expect(asked).rejects.toMatchObject({ message: expect.stringContaining('No pushes before Monday') });
  });
});
