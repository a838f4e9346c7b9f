import { execFileSync } from 'node:child_process';
import { z } from 'zod';
import { buildGo } from './build-go.ts';
import { laterGo } from './oracles.ts';

const SOURCE = new URL('./torchwood/main.go', import.meta.url).pathname;

export interface TorchwoodRequest {
  /** The text of a policy. */
  readonly policy: string;
  /** Folder of a log. */
  readonly log?: string;
  /** Each has its entry as extra data. */
  readonly proofs?: readonly Uint8Array[];
}

const answer = z.object({
  /** What is wrong with it; empty when it is good. */
  Log: z.string(),
  Entries: z.array(z.base64()).nullable(),
  Proofs: z.array(z.string()).nullable(),
});

/** Builds torchwood's library into a program that is asked about logs and proofs. */
export function buildTorchwood(folder: string): (request: TorchwoodRequest) => z.output<typeof answer> {
  const program = buildGo(SOURCE, folder, laterGo());
  return ({ policy, log = '', proofs = [] }) => {
    const input = JSON.stringify({
      Policy: policy,
      Log: log,
      Proofs: proofs.map((one) => Buffer.from(one).toString('base64')),
    });
    return answer.parse(JSON.parse(execFileSync(program, [], { input, maxBuffer: 1 << 30 }).toString()));
  };
}
