import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Transporter } from 'nodemailer';
import { systemCa } from './certificates.ts';
import { definedOnly } from './defined-only.ts';
import { runningLimit } from './running-time.ts';

/** A mail server that takes messages from this program. */
export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  readonly security: 'starttls' | 'tls' | 'none';
  readonly user?: string;
  readonly passwordFile?: string;
}

/**
 * Talks to a mail server. The connection is gone when this ends, also when it is aborted: a server that does not answer
 * cannot keep this program from ending.
 * @param silenceMs how long the server may say nothing
 */
export async function withSmtp<Result>(
  { host, port, security, user, passwordFile }: SmtpServer,
  { signal, silenceMs }: { readonly signal?: AbortSignal; readonly silenceMs: number },
  work: (transport: Pick<Transporter, 'sendMail' | 'verify'>) => Promise<Result>,
): Promise<Result> {
  const pass = passwordFile === undefined ? undefined : (await readFile(passwordFile, 'utf8')).trim();
  const socket = await connect(host, port, silenceMs, signal);
  // Mail is rare, and the package takes a while to load.
  const { createTransport } = await import('nodemailer');
  const transport = createTransport({
    host,
    port,
    connection: socket,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    tls: definedOnly({ ca: systemCa() }),
    ...(user === undefined ? {} : { auth: { user, pass: pass ?? '' } }),
    greetingTimeout: silenceMs,
    socketTimeout: silenceMs,
  });
  const gone = new Promise<never>((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  gone.catch(() => undefined);
  try {
    return await Promise.race([work(transport), gone]);
  } finally {
    transport.close();
    socket.destroy();
  }
}

async function connect(host: string, port: number, limitMs: number, signal: AbortSignal | undefined): Promise<Socket> {
  signal?.throwIfAborted();
  const socket = new Socket();
  // Until somebody else listens, a connection that is reset would end this program.
  socket.on('error', () => undefined);
  const give = (error: Error) => socket.destroy(error);
  const abort = () => give(new Error('it was given up'));
  const limit = runningLimit(limitMs, () => give(new Error(`it did not answer within ${limitMs / 1000} s`)));
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await new Promise<void>((done, reject) => {
      socket.once('error', reject);
      socket.connect({ host, port }, () => {
        socket.off('error', reject);
        done();
      });
    });
    return socket;
  } finally {
    limit.end();
    signal?.removeEventListener('abort', abort);
  }
}
