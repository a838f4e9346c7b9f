import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveFolder } from '../../src/lab/webserver.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'atomic-nightly-web-'));
  await writeFile(join(root, 'a+b^c~d'), 'served');
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('serveFolder', () => {
  it('serves files until it is stopped', async () => {
    const server = await serveFolder({ root });
    expect(await (await fetch(`${server.url}/a+b^c~d`)).text()).toBe('served');
    expect((await fetch(`${server.url}/none`)).status).toBe(404);
    await server.stop();
    await expect(fetch(server.url)).rejects.toThrow();
  });

  it('says so when the port is taken', async () => {
    const server = await serveFolder({ root });
    await expect(serveFolder({ root, port: server.port })).rejects.toMatchObject({ code: 'tool-failed' });
    await server.stop();
  });
});
