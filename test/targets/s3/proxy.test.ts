import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openTarget } from '../../../src/targets/open-target.ts';
import { makePrivateCa, serveOverTls, startSquid } from '../../support/proxy-world.ts';
import { sharedRadosgw, whyNoRadosgw } from '../../support/radosgw.ts';
import { makeBucket } from '../../support/s3-bucket.ts';
import { startSocks } from '../../support/socks-server.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

const PROXY = { user: 'nightly', password: 's3-p@ss/word' };

test.skipIf(whyNoRadosgw())(
  'K10: S3 with a private CA, through a proxy that asks for a login; past it where no_proxy says so',
  async () => {
    const gateway = await sharedRadosgw();
    const place = temporaryFolder();
    await chmod(place, 0o755);
    const ca = await makePrivateCa(join(place, 'ca'));
    const root = join(place, 'root');
    await mkdir(root);
    const more = `location / { proxy_pass ${gateway.endpoint}; proxy_set_header Host $http_host; client_max_body_size 0; }`;
    const tls = await serveOverTls(join(place, 'tls'), { ca, root, more });
    onTestFinished(() => tls.stop());
    const squid = await startSquid(join(place, 'squid'), PROXY);
    onTestFinished(() => squid.stop());

    const { config, look } = await makeBucket(gateway, `https://localhost:${tls.port}`);
    const source = join(place, 'source');
    await mkdir(source);
    await writeFile(join(source, 'a'), 'one');
    const task = testTask(place);
    /** Sends a file and reads it back, with the environment of a company. */
    const tried = async (env: Readonly<Record<string, string>>, caFile: string | undefined, file: string) => {
      await writeFile(join(source, file), file);
      Object.assign(process.env, env);
      try {
        const target = openTarget({ ...config, ...(caFile === undefined ? {} : { caFile }) });
        await target.send(source, [file], { immutable: true }, task);
        return Buffer.from((await target.read(file, task)) ?? []).toString();
      } finally {
        for (const name of Object.keys(env)) delete process.env[name];
      }
    };
    const proxy = (password: string) => `http://${PROXY.user}:${encodeURIComponent(password)}@127.0.0.1:${squid.port}`;
    const connects = async () =>
      [...(await readFile(squid.log, 'utf8').catch(() => '')).matchAll(/TCP_TUNNEL\/200/g)].length;

    expect(await tried({ https_proxy: proxy(PROXY.password), no_proxy: 'example.org' }, ca.ca, 'through')).toBe(
      'through',
    );
    expect((await look('through')).content).toBe('through');
    const asked = { https_proxy: proxy(PROXY.password), no_proxy: 'localhost' };
    expect(await tried(asked, ca.ca, 'past')).toBe('past');

    const socks = await startSocks();
    const named = { https_proxy: `socks5h://127.0.0.1:${socks.port}` };
    expect(await tried(named, ca.ca, 'socks')).toBe('socks');
    expect(socks.asked).toContain('localhost');

    const wrong = tried({ https_proxy: proxy('wrong-p@ss/word') }, ca.ca, 'x').catch((error: unknown) => error);
    const refused = await wrong;
    expect(refused).toMatchObject({ code: 'target-unreachable' });
    expect(String(refused)).toContain(
      `the proxy http://127.0.0.1:${squid.port} refuses the login (HTTP 407): correct user and password in https_proxy`,
    );
    await expect(tried({}, undefined, 'y')).rejects.toMatchObject({
      code: 'target-unreachable',
      hint: expect.stringContaining('"ca-file" of the target'),
    });
    for (const word of [PROXY.password, 'wrong-p@ss/word'])
      for (const form of [word, encodeURIComponent(word)])
        expect(String(refused) + task.lines.join('\n')).not.toContain(form);
    // Squid writes a line when a tunnel ends.
    await squid.stop();
    expect(await connects()).toBeGreaterThan(0);
    expect(await readFile(squid.log, 'utf8')).toMatch(
      new RegExp(`TCP_TUNNEL/200 \\d+ CONNECT localhost:${tls.port} nightly`),
    );
  },
);
