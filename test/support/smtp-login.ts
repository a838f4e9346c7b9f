import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';

export interface SmtpLogOptions {
  readonly login?: { readonly user: string; readonly password: string };
  /** PEM; with `starttls` only from that command on. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly starttls: boolean };
}

export interface SmtpLog {
  readonly port: number;
  /** Everything it was told, a line each. */
  readonly lines: readonly string[];
  /** From now on: takes what it is sent, refuses every message for good, or says nothing. */
  mode: 'take' | 'refuse' | 'hang';
}

/** A mail server on loopback that asks for a password, speaks TLS, or hangs, until the running test ends. */
export async function startSmtpLog({ login, tls }: SmtpLogOptions = {}): Promise<SmtpLog> {
  const lines: string[] = [];
  const log = { port: 0, lines, mode: 'take' as SmtpLog['mode'] };
  const sockets = new Set<Socket>();

  const serve = (socket: Socket, greeting: boolean): void => {
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
      } else if (/^EHLO/i.test(line)) {
        if (tls?.starttls && greeting) say('250-STARTTLS');
        say(login ? '250 AUTH PLAIN' : '250 here');
      } else if (/^STARTTLS/i.test(line)) {
        if (!tls?.starttls) return void say('502 not here');
        say('220 go on');
        socket.removeAllListeners('data');
        serve(new TLSSocket(socket, { isServer: true, key: tls.key, cert: tls.cert }), false);
      } else if (/^AUTH PLAIN /i.test(line)) {
        const given = Buffer.from(line.slice(11), 'base64').toString();
        say(given === `\0${login?.user}\0${login?.password}` ? '235 come in' : '535 5.7.8 wrong password');
      } else if (/^DATA/i.test(line)) {
        inData = true;
        say('354 go on');
      } else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n');
      else say('250 fine');
    };
    if (greeting) say('220 test');
    socket.on('data', (part) => {
      held += String(part);
      const whole = held.split('\r\n');
      held = whole.pop() ?? '';
      whole.forEach(answer);
    });
  };

  const accept = (socket: Socket) => serve(socket, true);
  const server =
    tls && !tls.starttls ? createTlsServer({ key: tls.key, cert: tls.cert }, accept) : createServer(accept);
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
