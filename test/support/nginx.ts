import { mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { NightlyError } from '../../src/base/errors.ts';
import { freePort } from '../../src/base/free-port.ts';
import { httpFetch } from '../../src/base/http.ts';
import type { Task } from '../../src/base/task.ts';
import { temporaryPrefix } from '../../src/base/temporary.ts';
import { start } from '../../src/programs/exec.ts';

/** A web server that serves one folder. */
export interface StaticServer {
  readonly port: number;
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
  /** What was asked for since the last call, as `METHOD /PATH STATUS`; nothing unless it counts. */
  requests(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

interface StaticServerRequest {
  readonly root: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Whether it keeps what is asked for. */
  readonly counts?: boolean;
  /** Gives cancellation and the log file. */
  readonly task?: Task;
}

/**
 * Serves a folder with nginx, as an operator's web server in front of a published folder would: in the foreground, with a
 * configuration of its own in a temporary folder, on the loopback interface. QEMU guests reach it as 10.0.2.2 on the same port.
 * Resolves when it answers.
 * @throws NightlyError `tool-missing`, `tool-failed` when it ends or does not answer (the port is taken).
 */
export async function serveFolder(request: StaticServerRequest): Promise<StaticServer> {
  const prefix = await mkdtemp(temporaryPrefix('nginx'));
  const port = request.port ?? (await freePort());
  // Answers only in this instance: another program on the same port would answer too, while nginx still tries to bind.
  const probe = `.${basename(prefix)}`;
  const errors: string[] = [];
  await mkdir(join(prefix, 'tmp'));
  // A variable would begin in it, or its quotes end: nginx has no way to write `$` in a path.
  await symlink(resolve(request.root), join(prefix, 'root'));
  await writeFile(join(prefix, 'nginx.conf'), configuration(port, probe, request.counts ?? false));
  const server = await start('nginx', ['-p', prefix, '-e', 'stderr', '-c', join(prefix, 'nginx.conf')], {
    task: request.task,
    onLine: (line) => errors.push(line),
  }).catch(async (error: unknown) => {
    await rm(prefix, { recursive: true, force: true });
    throw error;
  });
  const url = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(prefix, { recursive: true, force: true });
  };
  const accesses = join(prefix, 'access.log');
  const requests = async (): Promise<readonly string[]> => {
    if (!request.counts) return [];
    // A request is written down after it was answered; the last is there once one that came later is.
    const end = `${probe}?${Math.random()}`;
    await answers(`${url}/${end}`);
    for (;;) {
      const lines = (await readFile(accesses, 'utf8')).split('\n');
      if (lines.some((line) => line.includes(end))) {
        await truncate(accesses);
        return lines.filter((line) => line !== '' && !line.includes(probe));
      }
      await pause(5);
    }
  };
  let ended = false;
  void server.exited.then(() => {
    ended = true;
  });
  for (let tries = 0; tries < 100 && !ended; tries += 1) {
    if (await answers(`${url}/${probe}`)) return { port, url, requests, stop };
    await pause(50);
  }
  await stop();
  throw new NightlyError('tool-failed', `nginx did not start on port ${port}.\n${errors.slice(-5).join('\n')}`, {
    hint: 'Choose another port, or end the program that has this one.',
  });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function answers(url: string): Promise<boolean> {
  // This machine's own server: no proxy knows it.
  return httpFetch(url, { signal: AbortSignal.timeout(1000) }, { proxy: '' }).then(
    (response) => response.status === 204,
    () => false,
  );
}

/**
 * Paths are relative to the folder that `-p` names, so that none has to be quoted.
 *
 * Started as root, the workers stay root: what is served may lie in folders that only root can read.
 */
function configuration(port: number, probe: string, counts: boolean): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path tmp/${name};`)
    .join('\n');
  return `daemon off;
worker_processes 1;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid nginx.pid;
events { worker_connections 256; }
http {
  log_format asked '$request_method $request_uri $status';
  access_log ${counts ? 'access.log asked' : 'off'};
${temporary}
  # What Vagrant is told to be JSON it takes for a box catalogue, anything else for a box.
  types {
    text/html html; text/css css; text/javascript js; image/svg+xml svg; application/atom+xml atom;
    application/json json;
  }
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000;
  server {
    listen 127.0.0.1:${port};
    root root;
    autoindex on;
    location = /${probe} { return 204; }
  }
}
`;
}
