import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.ts';
import { startSmtpLog } from '../support/smtp-login.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

const LOGIN = { user: 'night', password: 'mail-pa55word' };

async function certificate(dir: string): Promise<{ key: string; cert: string; file: string }> {
  const { keyFile, file } = await makeCertificate(dir);
  return { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(file, 'utf8'), file };
}

/** A project in a folder whose only sink is a mail server on that port. */
function writeProject(dir: string, port: number, security: string): void {
  writeFileSync(join(dir, 'host.yaml'), 'ref: a\n');
  writeFileSync(join(dir, 'password'), `${LOGIN.password}\n`, { mode: 0o600 });
  const smtp = `{host: 127.0.0.1, port: ${port}, security: ${security}, user: ${LOGIN.user}, password-file: password}`;
  writeFileSync(
    join(dir, 'atomic-nightly.yaml'),
    `name: lab
targets: {web: {type: directory, path: www, url: 'http://127.0.0.1'}}
streams: {nightly: {treefile: host.yaml, targets: [web]}}
notify: [{type: mail, from: a@example.org, to: [b@example.org], smtp: ${smtp}}]
`,
  );
}

test.each(['tls', 'starttls'])(
  'mail over %s, to a server whose certificate is trusted and to no other',
  async (security) => {
    const dir = temporaryFolder();
    const { file, ...pair } = await certificate(dir);
    const server = await startSmtpLog({ login: LOGIN, tls: { ...pair, starttls: security === 'starttls' } });
    writeProject(dir, server.port, security);
    const stranger = await runCli(dir, ['notify', 'test']);
    expect(stranger).toMatchObject({ code: 1, stdout: expect.stringMatching(/self-signed certificate/) });
    expect(server.lines.some((line) => line.startsWith('AUTH'))).toBe(false);
    for (const variable of ['NODE_EXTRA_CA_CERTS', 'CURL_CA_BUNDLE']) {
      const trusted = await runCli(dir, ['notify', 'test'], { [variable]: file });
      expect(trusted.code, trusted.stdout).toBe(0);
    }
    expect(server.lines).toContain('RCPT TO:<b@example.org>');
  },
);

test('a server that offers no encryption is not given the password', async () => {
  const dir = temporaryFolder();
  const server = await startSmtpLog({ login: LOGIN });
  writeProject(dir, server.port, 'starttls');
  expect(await runCli(dir, ['notify', 'test'])).toMatchObject({ code: 1 });
  expect(server.lines.some((line) => /^(AUTH|MAIL)/.test(line))).toBe(false);
});
