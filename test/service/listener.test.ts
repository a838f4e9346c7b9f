import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { appendFile, chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { boundedLines, TOO_LONG } from '../../src/service/listener/bounded-lines.ts';
import { parseFromListener } from '../../src/service/listener/messages.ts';
import { everyCase } from '../support/every-case.ts';
import { makePageBuilds } from '../support/page-builds.ts';
import { isAlive, killIfThere } from '../support/processes.ts';
import { configureService, endService, serviceState, startServe } from '../support/service.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { runCli } from '../support/world.ts';

/** The processes that have a socket listening on a TCP port of IPv4, as the kernel says. */
function listenersOn(port: number): number[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const sockets = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => local.endsWith(`:${hex}`) && state === '0A')
    .map((fields) => `socket:[${fields[9]}]`);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => filesOf(pid).some((file) => sockets.includes(file)))
    .map(Number);
}

function filesOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

const statusOf = (pid: number): string => readFileSync(`/proc/${pid}/status`, 'utf8');

/** What the listening process itself gets to see at a path: the words of the failure, or nothing. */
async function failureToRead(pid: number, path: string): Promise<string> {
  const enter = ['--target', String(pid), '--mount', '--setuid', '65534', '--setgid', '65534'];
  const { stderr } = await run('nsenter', [...enter, 'cat', '--', path], { okExitCodes: [0, 1] });
  return stderr;
}

/** A service over some records, with a hook that begins a build after a day, started by root. */
async function startedByRoot(keys: readonly string[] = []) {
  const dir = temporaryFolder();
  const builds = await makePageBuilds(dir, 4);
  await configureService({ config: builds.config.path }, [
    'user: nobody',
    'trigger: {token-hash-file: ./hashes, debounce: 1d}',
    ...keys,
  ]);
  const token = (await runCli(dir, ['trigger', '--new-token'])).stdout.trim();
  const service = await startServe({ dir });
  onTestFinished(() => endService(service, { dir }));
  const port = Number(new URL(service.url).port);
  const trigger = (url = service.url) =>
    fetch(`${url}/trigger/nightly`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
  const listener = (): number => listenersOn(port)[0] ?? 0;
  return { dir, builds, service, port, trigger, listener };
}

test('I15: root’s service listens as a user without rights, who sees neither configuration nor secrets', async () => {
  const { dir, builds, service, port, trigger, listener } = await startedByRoot();
  expect(listenersOn(port)).toHaveLength(1);
  expect(listener()).not.toBe(service.pid);
  const status = statusOf(listener());
  expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
  expect(status).toMatch(/^Gid:\t65534\t65534\t65534\t65534$/m);
  expect(status).toMatch(/^Groups:\s*$/m);
  for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb']) expect(status).toMatch(new RegExp(`^Cap${set}:\t0+$`, 'm'));
  expect(status).toMatch(/^NoNewPrivs:\t1$/m);

  // Outside of the work folder nothing is in sight, however open; inside, what is root's alone stays so.
  await writeFile(join(dir, 'open-secret'), 'of everybody', { mode: 0o644 });
  await mkdir(join(builds.config.work, 'keys'));
  await writeFile(join(builds.config.work, 'keys/private.asc'), 'a key', { mode: 0o600 });
  for (const path of [
    builds.config.path,
    join(dir, 'hashes'),
    join(dir, 'open-secret'),
    '/etc/shadow',
    '/root/.bashrc',
  ])
    expect([path, await failureToRead(listener(), path)]).toEqual([path, expect.stringMatching(/No such file/)]);
  expect(await failureToRead(listener(), join(builds.config.work, 'keys/private.asc'))).toContain('Permission denied');
  expect(
    readFileSync(`/proc/${listener()}/environ`, 'latin1')
      .split('\0')
      .map((one) => one.split('=')[0]),
  ).not.toContain('HOME');

  // All the same it shows what it is for, and a build can be asked for.
  for (const path of ['/healthz', '/readyz', '/metrics', '/', '/feed.atom', '/streams/nightly/'])
    expect([path, (await fetch(service.url + path)).status]).toEqual([path, 200]);
  expect((await trigger()).status).toBe(202);
  expect((await serviceState({ dir })).jobs).toMatchObject([{ stream: 'nightly', cause: 'trigger' }]);
  // Numbers are the same for two seconds.
  await until(async () => /^atomic_nightly_queue_jobs 1$/m.test(await (await fetch(`${service.url}/metrics`)).text()));

  const pid = listener();
  expect(await service.end('SIGTERM')).toBe(0);
  expect(isAlive(pid)).toBe(false);
  expect(listenersOn(port)).toEqual([]);
});

test('I15: what the listening process sends beyond what it may ask is refused and logged, and the service goes on', async () => {
  const { dir, service, listener, trigger } = await startedByRoot();
  // As whoever took it over would: into the pipe that is its standard output.
  const say = (line: string) => appendFile(`/proc/${listener()}/fd/1`, `${line}\n`);
  const bad = [
    ['garbage', 'it is not JSON'],
    ['{"ask":"run","id":1,"command":["sh"]}', 'ask: Invalid'],
    ['{"ask":"trigger","id":2,"stream":"../../x","from":"me"}', 'stream: must be'],
    [
      '{"ask":"trigger","id":3,"stream":"nightly","from":"me","args":["--config","/tmp/x"]}',
      'Unrecognized key: "args"',
    ],
    ['{"ask":"read","id":4,"file":"/etc/shadow"}', 'file: Invalid'],
    [`"${'x'.repeat(100_000)}"`, 'it is too long'],
  ] as const;
  for (const [line, why] of bad) {
    await say(line);
    await service.until(`error: a request of the listening process was refused: ${why}`);
  }
  expect((await serviceState({ dir })).jobs).toEqual([]);
  expect((await trigger()).status).toBe(202);
  expect((await serviceState({ dir })).jobs).toHaveLength(1);
});

test('the end of the listening process is told, and it is started again; with the service it ends in any case', async () => {
  const { dir, service, port, listener, trigger } = await startedByRoot();
  const first = listener();
  killIfThere(first);
  await service.until(/error: the listening process ended .*; it is started again in 1 s/);
  await service.until('listening on http://127.0.0.1:'.concat(String(port), ' again'));
  const second = listener();
  expect(second).not.toBe(first);
  expect(statusOf(second)).toMatch(/^Uid:\t65534\t/m);
  expect((await trigger()).status).toBe(202);
  expect((await serviceState({ dir })).jobs).toHaveLength(1);
  expect(await service.end('SIGKILL')).toBe(null);
  await until(() => !isAlive(second) && listenersOn(port).length === 0);
});

test.runIf(everyCase)(
  'a service that cannot listen does not start: a user who is not there, root by another name, an address that is taken',
  async () => {
    const { dir, builds, port } = await startedByRoot();
    const other = temporaryFolder();
    const { config } = await makePageBuilds(other, 1);
    const before = readFileSync(config.path, 'utf8');
    const serveWith = async (service: string) => {
      await writeFile(config.path, `${before}service: {listen: '127.0.0.1:${port}', ${service}}\n`);
      return runCli(other, ['serve']);
    };
    const absent = await serveWith('user: no-such-user');
    expect([absent.code, absent.stderr]).toEqual([2, expect.stringContaining('There is no user "no-such-user"')]);
    expect(absent.stderr).toContain('useradd --system');
    const taken = await serveWith('user: nobody');
    expect([taken.code, taken.stderr]).toEqual([2, expect.stringContaining('EADDRINUSE')]);
    expect(builds.config.path).toContain(dir);
    await chmod(config.work, 0o700);
    await writeFile(config.path, `${before}service: {listen: '127.0.0.1:0', user: nobody}\n`);
    const closed = await runCli(other, ['serve']);
    expect([closed.code, closed.stderr]).toEqual([2, expect.stringContaining(`User 65534 cannot read ${config.work}`)]);
  },
);

test('requests that are not in the list are never taken for one, whatever they look like', async () => {
  const kinds = ['trigger', 'holder', 'unreadiness', 'key-expiries', 'read'];
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc
          .record({
            ask: fc.constantFrom(...kinds),
            id: fc.anything(),
            stream: fc.string(),
            from: fc.string(),
            file: fc.string(),
          })
          .map((one) => JSON.stringify(one)),
      ),
      (line) => {
        const found = parseFromListener(line);
        if ('refused' in found || 'tell' in found) return;
        expect(kinds).toContain(found.ask);
        if (found.ask === 'trigger') expect(found.stream).toMatch(/^[A-Za-z0-9][\w.-]*$/);
        if (found.ask === 'read') expect(found.file).toMatch(/^(trigger-tokens|mqtt-users|mqtt-password|mqtt-ca)$/);
      },
    ),
    { numRuns: 2000 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', ' '))),
      fc.integer({ min: 1, max: 9 }),
      async (lines, size) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
          bytes.subarray(index * size, (index + 1) * size),
        );
        const got: unknown[] = [];
        for await (const line of boundedLines(
          (async function* () {
            yield* pieces;
          })(),
          12,
        ))
          got.push(line);
        expect(got).toEqual(
          lines.map((line) => (Buffer.byteLength(line) > 12 ? TOO_LONG : Buffer.from(line).toString())),
        );
      },
    ),
  );
});
