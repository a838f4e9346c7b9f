import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { S3TargetConfig } from '../../src/config/config.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import type { Target } from '../../src/targets/target.ts';
import { useKeys } from './radosgw.ts';

/** Opens an S3 target whose server is that function, until the end of the test. */
export async function s3ServedBy(
  answer: RequestListener,
  more: Partial<S3TargetConfig> = {},
): Promise<{ target: Target; server: Server }> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  useKeys({ accessKey: 'KEY', secretKey: 'secret' });
  const target = openTarget({
    ...{ type: 's3', name: 'served', bucket: 'bucket', prefix: '', region: 'us-east-1', parallel: 1 },
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    url: 'http://127.0.0.1:1',
    ...more,
  });
  return { target, server };
}
