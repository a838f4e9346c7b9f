import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import type { Config } from '../config/config.ts';
import { requireSigsum } from '../programs/sigsum.ts';
import { configuredKeys, inspectKey, placeOf } from '../signing/inventory.ts';
import { daysLeft, expiryWarning } from '../signing/key-info.ts';
import { openSigner } from '../signing/open-signer.ts';
import { openStatementSigner } from '../signing/statement-signer.ts';
import type { CheckResult } from './doctor-check.ts';

/** Whether each key that streams, content and the log sign with is there, can be used, and for how long. */
export async function checkSigning(config: Config, task: Task): Promise<CheckResult[]> {
  return Promise.all(
    configuredKeys(config).map(async ({ config: key, streams, content, log }): Promise<CheckResult> => {
      const users = [...streams, ...content, ...(log ? ['the release log'] : [])];
      const name = `signing key of ${users.join(', ')}`;
      const bad = (error: NightlyError): CheckResult => {
        return { name, state: 'missing', detail: error.hint ? `${error.message} ${error.hint}` : error.message };
      };
      const found = await inspectKey(key, task);
      if (found instanceof NightlyError) return bad(found);
      try {
        await openSigner(key).check(task);
      } catch (error) {
        task.signal.throwIfAborted();
        if (error instanceof NightlyError) return bad(error);
        throw error;
      }
      const warning = expiryWarning(found);
      if (warning !== undefined)
        return { name, state: 'note', detail: `${warning}; begin a rotation: docs/signing.md` };
      const left = daysLeft(found);
      const lasts = left === undefined ? 'never expires' : `${left} days left`;
      return { name, state: 'ok', detail: `${found.fingerprint} (${placeOf(key)}), ${lasts}` };
    }),
  );
}

/** Whether the key of each stream's statements is there and can be used. */
export async function checkStatements({ streams }: Config): Promise<CheckResult[]> {
  const checks = Object.values(streams).map(async ({ name: stream, attestations }): Promise<CheckResult[]> => {
    if (attestations?.statement === undefined) return [];
    const name = `statement key of ${stream}`;
    const { builder, key, sigsum } = attestations.statement;
    try {
      await openStatementSigner(key).check();
      if (sigsum) await requireSigsum();
      return [{ name, state: 'ok', detail: `signs for ${builder}` }];
    } catch (error) {
      if (!(error instanceof NightlyError)) throw error;
      return [{ name, state: 'missing', detail: error.hint ? `${error.message} ${error.hint}` : error.message }];
    }
  });
  return (await Promise.all(checks)).flat();
}
