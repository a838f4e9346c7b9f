import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { tlsFiles } from '../../base/certificates.ts';
import { proxyFor, proxyUrlWithLogin } from '../../base/proxies.ts';
import { isSocks } from '../../base/socks.ts';
import type { S3TargetConfig } from '../../config/config.ts';

/**
 * Returns what makes the SDK's connections: it takes Node's agents only, so these are given what the program's HTTP
 * client honours, the proxies of the environment and the certificates that the system or the target's ca-file vouches
 * with.
 */
export async function agentsFor(
  { endpoint, region, caFile }: Pick<S3TargetConfig, 'endpoint' | 'region' | 'caFile'>,
  options: { readonly keepAlive: boolean; readonly maxSockets: number },
): Promise<{ httpAgent: HttpAgent; httpsAgent: HttpsAgent }> {
  const server = tlsFiles({ caFile });
  const proxy = proxyFor(new URL(endpoint ?? `https://s3.${region}.amazonaws.com`));
  if (proxy === undefined)
    return { httpAgent: new HttpAgent(options), httpsAgent: new HttpsAgent({ ...options, ...server }) };
  if (isSocks(proxy)) {
    const { SocksAgent } = await import('./socks-agent.ts');
    const socks = new SocksAgent(proxy, server, options);
    return { httpAgent: socks, httpsAgent: socks };
  }
  const [{ HttpProxyAgent }, { HttpsProxyAgent }] = await Promise.all([
    import('http-proxy-agent'),
    import('https-proxy-agent'),
  ]);
  const through = proxyUrlWithLogin(proxy);
  // What an agent is made with counts for the connection to the proxy only.
  const httpsAgent = new HttpsProxyAgent(through, { ...options, ...tlsFiles({}) });
  const connect = httpsAgent.connect.bind(httpsAgent);
  httpsAgent.connect = (request, connection) => connect(request, { ...connection, ...server });
  return { httpAgent: new HttpProxyAgent(through, options), httpsAgent };
}
