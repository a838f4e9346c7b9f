import type { Task } from '../base/task.ts';
import type { StatementSigner } from '../signing/statement-signer.ts';
import { envelopeLine, STATEMENT_TYPE, signedBytes } from './dsse.ts';

/** Returns the line of a `.intoto.jsonl` file that holds a statement, signed. @throws NightlyError `signing` */
export async function signStatement(payload: Uint8Array, signer: StatementSigner, task: Task): Promise<string> {
  const signature = await signer.sign(signedBytes(STATEMENT_TYPE, payload), task);
  return envelopeLine(payload, signature);
}
