import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { proxyFor, proxyUrlWithLogin, tlsFiles } from '../../base/http.ts';
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
  const tls = { ...options, ...tlsFiles(caFile === undefined ? {} : { caFile }) };
  const server = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`);
  const proxy = proxyFor(server);
  if (proxy === undefined) return { httpAgent: new HttpAgent(options), httpsAgent: new HttpsAgent(tls) };
  const [{ HttpProxyAgent }, { HttpsProxyAgent }] = await Promise.all([
    import('http-proxy-agent'),
    import('https-proxy-agent'),
  ]);
  const through = proxyUrlWithLogin(proxy);
  return { httpAgent: new HttpProxyAgent(through, options), httpsAgent: new HttpsProxyAgent(through, tls) };
}
