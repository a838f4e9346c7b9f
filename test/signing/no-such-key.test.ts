import { expect, test } from 'vitest';
import { quietTask } from '../../src/base/task.ts';
import { gpgAgentSigner } from '../../src/signing/gpg-agent.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { temporaryFolder } from '../support/tmp.ts';

test('a key that a GnuPG home does not have is named as that, not by the file that gpg did not write', async () => {
  const { home } = await makeSigningKey(temporaryFolder());
  const key = '0123456789ABCDEF0123456789ABCDEF01234567';
  await expect(gpgAgentSigner({ type: 'gpg-agent', home, key }).publicKey(quietTask())).rejects.toMatchObject({
    code: 'signing',
    message: `The public key of ${key} cannot be had: the GnuPG home ${home} has no such key`,
  });
});
