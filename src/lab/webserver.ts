import { resolve } from 'node:path';
import type { Task } from '../base/task.ts';
import { type StaticServer, startNginx } from '../programs/nginx.ts';

/**
 * Serves a folder over HTTP on the loopback interface, as an operator's web server in front of a published folder
 * would. QEMU guests reach it as 10.0.2.2 on the same port.
 * @throws NightlyError `tool-missing`, `tool-failed` (the port is taken).
 */
export async function serveFolder(request: {
  readonly root: string;
  /** Default: a free one. */
  readonly port?: number;
  readonly task?: Task;
}): Promise<StaticServer> {
  return startNginx({ ...request, root: resolve(request.root) });
}
