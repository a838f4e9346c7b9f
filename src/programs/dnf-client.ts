import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { codeFile } from '../base/shipped.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/** Debian and Fedora install dnf's Python modules for this interpreter; the `python3` first on PATH may be another. */
const PYTHON = '/usr/bin/python3';
const CLIENT = codeFile('programs/dnf-client.py');

/** A package as a client asks for it. */
export interface WantedPackage {
  readonly name: string;
  /** `[epoch:]version-release.arch`; `src` for sources. */
  readonly evra: string;
  readonly sha256: string;
}

export interface ClientRequest {
  /** URL of the repository. */
  readonly url: string;
  /** Architecture of the client. */
  readonly arch: string;
  /** Files with public keys; none: nothing is checked. */
  readonly keys: readonly string[];
  /** Whether packages have to be signed; with keys, the metadata always has to be. */
  readonly gpgcheck: boolean;
  readonly packages: readonly WantedPackage[];
}

const event = z.discriminatedUnion('event', [
  z.object({ event: z.literal('progress'), done: z.number(), total: z.number() }),
  z.object({
    event: z.literal('result'),
    fault: z.string().nullable(),
    packages: z.array(z.object({ name: z.string(), evra: z.string(), fault: z.string() })),
  }),
]);

/** What a client could not use. */
export interface ClientFaults {
  /** What is wrong with the repository as a whole. */
  readonly fault: string | undefined;
  readonly packages: readonly { readonly name: string; readonly evra: string; readonly fault: string }[];
}

/**
 * Has dnf download packages as on a fresh host, with gpgcheck and repo_gpgcheck.
 * @param root an empty folder
 * @throws NightlyError `tool-missing`, `tool-failed` where dnf's Python modules are not there.
 */
export async function askDnfClient(request: ClientRequest, root: string, task: Task): Promise<ClientFaults> {
  let result: z.infer<typeof event> | undefined;
  await run(PYTHON, ['-B', '-I', CLIENT], {
    task,
    input: JSON.stringify({ ...request, root }),
    env: { HOME: root },
    onLine(line, stream) {
      const said = stream === 'stdout' ? parsed(line) : undefined;
      if (said?.event === 'progress') task.progress(said.done, said.total, 'packages');
      else if (said) result = said;
    },
  });
  if (result?.event !== 'result') throw new NightlyError('bug', `${CLIENT} ended without a result.`);
  return { fault: result.fault ?? undefined, packages: result.packages };
}

function parsed(line: string): z.infer<typeof event> | undefined {
  try {
    return event.safeParse(JSON.parse(line)).data;
  } catch (error) {
    // What a library prints is in the log.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
