import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RefusedConnection } from '../base/connection-faults.ts';
import { NightlyError } from '../base/errors.ts';
import { withTemporaryFolder } from '../base/files.ts';
import { type HttpResponse, makeResponse } from '../base/http.ts';
import { oneLine } from '../base/one-line.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { ANY_EXIT_CODE } from './spawn.ts';

/** A request that Kerberos vouches for. */
export interface NegotiatedRequest {
  /** Its first principal is who asks. */
  readonly keytab: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly caFile?: string | undefined;
  /** Empty: none, whatever the environment says. */
  readonly proxy?: string | undefined;
}

/** An answer is given up after so long without a byte. */
const SILENT_SECONDS = 300;
/** Exit codes of curl (its manual, EXIT CODES) for what trying again does not change. */
const UNSUPPORTED = [2, 4];
const REFUSED = [35, 51, 58, 60, 77, 83, 90, 91];

/**
 * Posts to a server that asks for Kerberos. curl does it, which has GSSAPI; the libraries of Node for that are bindings that are compiled
 * when they are installed. The ticket is of this request alone and lies nowhere.
 * @returns the answer; when it is 401, with what GSSAPI said of it
 * @throws NightlyError `tool-missing`; RefusedConnection for a server that is not trusted; Error for one that does not answer.
 */
export async function postNegotiated(
  url: string,
  body: string,
  { keytab, headers, caFile, proxy }: NegotiatedRequest,
  task: Task,
): Promise<{ readonly response: HttpResponse; readonly reason?: string | undefined }> {
  return withTemporaryFolder(async (folder) => {
    // Neither the answer, which has the key of a session, nor the ticket gets into a log.
    const [answer, said] = [join(folder, 'answer'), join(folder, 'said')];
    const { exitCode, stdout } = await run(
      'curl',
      [
        // Nobody's own settings; no redirect is followed, as curl is not told to.
        ...['--disable', '--silent', '--show-error', '--verbose', '--stderr', said, '--output', answer],
        ...['--negotiate', '--user', ':', '--data-binary', '@-', '--write-out', '%{http_code}'],
        ...['--speed-limit', '1', '--speed-time', String(SILENT_SECONDS)],
        ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
        ...(caFile === undefined ? [] : ['--cacert', caFile]),
        ...(proxy === undefined ? [] : proxy === '' ? ['--noproxy', '*'] : ['--proxy', proxy]),
        ...['--', url],
      ],
      {
        task,
        input: body,
        env: { KRB5_CLIENT_KTNAME: `FILE:${keytab}`, KRB5CCNAME: 'MEMORY:atomic-nightly' },
        okExitCodes: ANY_EXIT_CODE,
      },
    );
    const words = await readFile(said, 'utf8').catch(() => '');
    if (exitCode !== 0) throw failure(exitCode, words);
    const status = Number(stdout);
    const bytes = await readFile(answer).catch(() => Buffer.alloc(0));
    return { response: makeResponse(bytes, status), reason: /\bgss\w*\(\) failed: (.+)/.exec(words)?.[1]?.trim() };
  });
}

function failure(exitCode: number, words: string): Error {
  const why = oneLine(/^curl: (?:\(\d+\) )?(.+)/m.exec(words)?.[1] ?? `curl ended with exit code ${exitCode}`);
  if (REFUSED.includes(exitCode)) return new RefusedConnection(why);
  if (!UNSUPPORTED.includes(exitCode)) return new Error(why);
  return new NightlyError('tool-missing', `The curl of this machine cannot log in by Kerberos: ${why}.`, {
    hint: 'Install a curl whose "curl --version" names GSS-API and SPNEGO: that of Debian, Fedora and CentOS does.',
  });
}
