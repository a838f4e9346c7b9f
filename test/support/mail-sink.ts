import { onTestFinished } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { start } from '../../src/programs/exec.ts';
import { untilListening } from './sshd.ts';

/** A real SMTP server on loopback that keeps what it is sent: Python's, until the test ends. */
export async function startMailSink(): Promise<{ readonly port: number; readonly lines: readonly string[] }> {
  const port = await freePort();
  const lines: string[] = [];
  const args = ['-u', '-W', 'ignore', '-m', 'smtpd', '-n', '-c', 'DebuggingServer', `127.0.0.1:${port}`];
  const server = await start('/usr/bin/python3', args, { onLine: (line) => lines.push(line) });
  onTestFinished(() => server.stop());
  await untilListening(port);
  return { port, lines };
}
