import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { demoConfig, demoFolder } from '../../src/cli/demo-config.ts';
import { serveDemo } from '../../src/cli/demo-service.ts';
import { placeLabTreefile } from '../../src/lab/build-lab.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

test('a demo serves live pages and what is published from its start, before there is a lab or a build', async () => {
  const dir = temporaryFolder();
  const ports = { port: await freePort(), livePort: await freePort() };
  const fresh = await demoFolder(dir, ports);
  expect(fresh).toMatchObject({ ...ports, isBegun: false });
  await placeLabTreefile(fresh.lab);
  await writeFile(fresh.config, demoConfig(fresh, ['generic-cloud'], []));
  const server = await serveDemo(fresh.config, () => undefined);
  try {
    expect(server.url).toBe(`http://127.0.0.1:${ports.livePort}`);
    const page = await fetch(`${server.url}/`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('lab-atomic-host')]);
    await mkdir(join(fresh.published, 'repo'));
    await writeFile(join(fresh.published, 'repo/config'), '[core]\n');
    expect(await (await fetch(`${fresh.url}/repo/config`)).text()).toBe('[core]\n');
  } finally {
    await server.stop();
  }
  await (await serveDemo(fresh.config, () => undefined)).stop();
  // One that is continued keeps its ports, whatever is asked for.
  expect(await demoFolder(dir, { port: 1, livePort: 2 })).toEqual({ ...fresh, isBegun: true });
});

test('a port that is taken is named with the option that chooses another, and is not kept for the next try', async () => {
  const dir = temporaryFolder();
  const other = createServer();
  const taken = await freePort();
  await once(other.listen(taken, '127.0.0.1'), 'listening');
  try {
    for (const option of ['--port', '--live-port']) {
      const free = ['--port', '--live-port'].find((one) => one !== option) ?? '';
      const ports = [option, String(taken), free, String(await freePort())];
      const { code, stderr } = await runCli(dir, ['lab', 'demo', '.', ...ports, '--boot', 'none']);
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(new RegExp(`127\\.0\\.0\\.1:${taken}: .*\n.*${option} for`)),
      ]);
      expect(existsSync(join(dir, 'atomic-nightly.yaml'))).toBe(false);
    }
  } finally {
    other.close();
  }
});
