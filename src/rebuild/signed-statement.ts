import { envelopeLine, keyId, STATEMENT_TYPE, signedBytes } from '../attest/dsse.ts';
import type { Task } from '../base/task.ts';
import type { StatementSigner } from '../signing/statement-signer.ts';

/** Returns the line of an envelope with a statement that our key signed. @throws NightlyError `signing` */
export async function signedStatement(payload: Uint8Array, signer: StatementSigner, task: Task): Promise<string> {
  const signature = await signer.sign(signedBytes(STATEMENT_TYPE, payload), task);
  return envelopeLine(payload, keyId(await signer.publicKey()), signature);
}
