import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { demoConfig, demoFolder } from '../../src/cli/demo-config.ts';
import { serveDemo } from '../../src/cli/demo-service.ts';
import { placeLabTreefile } from '../../src/lab/build-lab.ts';
import { temporaryFolder } from '../support/tmp.ts';

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
