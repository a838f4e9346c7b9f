import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { NightlyError } from '../base/errors.ts';
import { oneLine } from '../base/one-line.ts';
import type { HubLogin } from '../koji/post-call.ts';
import { postNegotiated } from '../programs/curl.ts';

/** Returns a login that Kerberos vouches for, as koji's own client does it: GSSAPI negotiation (RFC 4559) at the URL of every login. */
export function kerberosLogin(keytab: string): HubLogin {
  const exchange: HubLogin['exchange'] = async (url, body, headers, { connection: { caFile, proxy }, task }) => {
    await access(keytab, constants.R_OK).catch((error: unknown) => {
      throw new NightlyError('koji', `The keytab ${keytab} of the koji block cannot be read.`, { cause: error });
    });
    const { response, reason } = await postNegotiated(url, body, { keytab, headers, caFile, proxy }, task);
    if (response.status !== 401) return response;
    // The ticket is fetched from another server, which may be away as the hub may be.
    if (reason !== undefined && /Cannot contact any KDC|Cannot resolve/.test(reason)) throw new Error(oneLine(reason));
    throw new NightlyError(
      'koji',
      `The koji hub ${url} takes no login with ${keytab}: ${oneLine(reason ?? 'HTTP 401')}.`,
      {
        hint: 'Check that "klist -k" lists the user first in the keytab, that krb5.conf knows the realm, and that the hub takes Kerberos.',
      },
    );
  };
  return { exchange, who: `The first principal of ${keytab}` };
}
