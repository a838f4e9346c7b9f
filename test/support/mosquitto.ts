import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { run, start } from '../../src/programs/exec.ts';
import { makeCertificate } from './certificate.ts';
import { untilListening } from './sshd.ts';
import { until } from './until.ts';

export interface TestBroker {
  readonly url: string;
  /** With `tls`: the certificate to trust. */
  readonly caFile: string;
  /** What a subscriber to everything has heard: `r t p`, r being 1 for a retained message. */
  readonly heard: readonly string[];
  /** What a subscriber that comes now is told at once, by topic. */
  retained(): Promise<Record<string, string>>;
}

/**
 * A real MQTT broker on loopback, until the running test ends. With `password` only the user `nightly` gets in; with `tls`
 * it shows a certificate that nobody trusts unless told to.
 */
export async function startMosquitto(
  dir: string,
  {
    password,
    port: wanted,
    tls = false,
  }: { readonly password?: string; readonly port?: number; readonly tls?: boolean } = {},
): Promise<TestBroker> {
  const port = wanted ?? (await freePort());
  const folder = join(dir, `mosquitto-${port}`);
  await mkdir(folder, { recursive: true });
  const users = join(folder, 'users');
  const login = password === undefined ? [] : ['-u', 'nightly', '-P', password];
  if (password !== undefined) await run('mosquitto_passwd', ['-b', '-c', users, 'nightly', password]);
  const access =
    password === undefined ? ['allow_anonymous true'] : ['allow_anonymous false', `password_file ${users}`];
  const certificate = tls ? await makeCertificate(folder) : undefined;
  const secure = certificate ? [`certfile ${certificate.file}`, `keyfile ${certificate.keyFile}`] : [];
  await writeFile(
    join(folder, 'conf'),
    [`listener ${port} 127.0.0.1`, 'user root', ...secure, ...access, ''].join('\n'),
  );
  const broker = await start('/usr/sbin/mosquitto', ['-c', join(folder, 'conf')]);
  onTestFinished(() => broker.stop());
  await untilListening(port);
  const there = [
    '-h',
    '127.0.0.1',
    '-p',
    String(port),
    ...login,
    ...(certificate ? ['--cafile', certificate.file] : []),
  ];
  const subscribe = [...there, '-q', '1', '-t', '#'];
  const heard: string[] = [];
  let listening = false;
  const subscriber = await start('mosquitto_sub', [...subscribe, '-F', '%r %t %p'], {
    onLine(line) {
      // Of several greetings some may come late.
      if (line === '0 hello x') listening = true;
      else heard.push(line);
    },
  });
  onTestFinished(() => subscriber.stop());
  await until(async () => {
    await run('mosquitto_pub', [...there, '-t', 'hello', '-m', 'x']);
    return listening;
  });
  return {
    url: `${tls ? 'mqtts' : 'mqtt'}://127.0.0.1:${port}`,
    caFile: certificate?.file ?? '',
    heard,
    async retained() {
      const lines: string[] = [];
      const args = [...subscribe, '--retained-only', '-F', '%t %p', '-W', '2'];
      await run('mosquitto_sub', args, {
        okExitCodes: [0, 27],
        onLine: (line, from) => from === 'stdout' && lines.push(line),
      });
      return Object.fromEntries(lines.map((line) => [line.split(' ', 1)[0] ?? '', line.slice(line.indexOf(' ') + 1)]));
    },
  };
}
