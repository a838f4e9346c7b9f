import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A SOCKS proxy of version 4a and 5 (RFC 1928, RFC 1929). `asked` has what it was asked for: a name, or an address. */
export interface SocksServer {
  readonly port: number;
  readonly asked: readonly string[];
}

/** Starts one; with a login, version 5 lets nobody else through. Every connection leads to the port asked for, on this machine. */
export async function startSocks(login?: { readonly user: string; readonly password: string }): Promise<SocksServer> {
  const asked: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    talk(socket, asked, login).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, asked };
}

async function talk(
  socket: Socket,
  asked: string[],
  login: { readonly user: string; readonly password: string } | undefined,
): Promise<void> {
  const first = await next(socket);
  if (first[0] === 4) {
    const end = first.indexOf(0, 8);
    const name = first.subarray(end + 1, -1).toString();
    asked.push(name === '' ? first.subarray(4, 8).join('.') : name);
    return passOn(socket, first.readUInt16BE(2), Buffer.from([0, 90, 0, 0, 0, 0, 0, 0]));
  }
  const methods = [...first.subarray(2)];
  const method = login ? 2 : 0;
  if (!methods.includes(method)) return void socket.end(Buffer.from([5, 255]));
  socket.write(Buffer.from([5, method]));
  if (login) {
    const given = await next(socket);
    const user = given.subarray(2, 2 + (given[1] ?? 0)).toString();
    const isGood = user === login.user && given.subarray(3 + user.length).toString() === login.password;
    if (!isGood) return void socket.end(Buffer.from([1, 1]));
    socket.write(Buffer.from([1, 0]));
  }
  const request = await next(socket);
  const address = request.subarray(4, -2);
  asked.push(request[3] === 3 ? address.subarray(1).toString() : address.join('.'));
  passOn(socket, request.readUInt16BE(request.length - 2), Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
}

const next = (socket: Socket): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    socket.once('data', resolve);
    socket.once('close', () => reject(new Error('closed')));
  });

function passOn(socket: Socket, port: number, answer: Buffer): void {
  const far = connect(port, '127.0.0.1', () => {
    socket.write(answer);
    far.pipe(socket);
    socket.pipe(far);
  });
  far.on('error', () => socket.destroy());
}
