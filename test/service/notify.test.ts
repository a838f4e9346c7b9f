import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { start } from '../../src/programs/exec.ts';
import { configureService, endService, startServe } from '../support/service.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { makeWorld } from '../support/world.ts';

/** A datagram socket as systemd has it; what it receives is written to a file, a field a line. */
const LISTENER = `
import socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
print('bound', flush=True)
while True:
    data, files, _, _ = socket.recv_fds(listener, 65536, 8)
    with open(sys.argv[2], 'ab') as out: out.write(data + b'\\n')
    for one in files: __import__('os').close(one)
`;

test('systemd is told when the service is ready, that it is alive, and when it stops', async () => {
  const dir = temporaryFolder();
  const [socket, received] = [join(dir, 'notify'), join(dir, 'received')];
  await writeFile(received, '');
  await new Promise<void>((bound, refuse) => {
    start('/usr/bin/python3', ['-c', LISTENER, socket, received], { onLine: () => bound() })
      .then((listener) => onTestFinished(() => listener.stop()))
      .catch(refuse);
  });
  await mkdir(join(dir, 'world'));
  const world = await makeWorld(join(dir, 'world'));
  onTestFinished(() => world.stop());
  await configureService(world);
  const service = await startServe(world, { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000' });
  onTestFinished(() => endService(service, world));
  const got = (): string[] =>
    readFileSync(received, 'utf8')
      .split('\n')
      .filter((line) => !line.startsWith('BARRIER'));
  await until(() => got().filter((line) => line === 'WATCHDOG=1').length >= 3);
  expect(await service.end('SIGTERM')).toBe(0);
  const all = got();
  expect(all[0]).toBe('READY=1');
  expect(all[1]).toBe(`STATUS=listening on ${service.url}`);
  await until(() => got().includes('STOPPING=1'));
});
