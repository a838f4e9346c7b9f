import { type AddressInfo, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface SmtpLog {
  readonly port: number;
  /** Everything it was told, a line each. */
  readonly lines: readonly string[];
  /** From now on: takes what it is sent, refuses the content for good, or says nothing. */
  mode: 'take' | 'refuse' | 'hang';
}

/** A mail server on loopback that asks for a password, or misbehaves, until the running test ends. */
export async function startSmtpLog(login?: { readonly user: string; readonly password: string }): Promise<SmtpLog> {
  const lines: string[] = [];
  const log = { port: 0, lines, mode: 'take' as SmtpLog['mode'] };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    if (log.mode === 'hang') return;
    let [held, inData] = ['', false];
    const say = (text: string) => socket.write(`${text}\r\n`);
    const answer = (line: string) => {
      lines.push(line);
      if (inData) {
        if (line !== '.') return;
        inData = false;
        say(log.mode === 'refuse' ? '554 5.6.0 not such a message' : '250 taken');
      } else if (/^EHLO/i.test(line)) say(login ? '250-here\r\n250 AUTH PLAIN' : '250 here');
      else if (/^AUTH PLAIN /i.test(line)) {
        const given = Buffer.from(line.slice(11), 'base64').toString();
        say(given === `\0${login?.user}\0${login?.password}` ? '235 come in' : '535 5.7.8 wrong password');
      } else if (/^DATA/i.test(line)) {
        inData = true;
        say('354 go on');
      } else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n');
      else say('250 fine');
    };
    say('220 test');
    socket.setEncoding('utf8').on('data', (part) => {
      held += String(part);
      const whole = held.split('\r\n');
      held = whole.pop() ?? '';
      whole.forEach(answer);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((done) => {
      server.close(() => done());
    });
  });
  log.port = (server.address() as AddressInfo).port;
  return log;
}
