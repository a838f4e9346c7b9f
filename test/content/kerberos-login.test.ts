import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openKoji } from '../../src/content/open-koji.ts';
import { lastEvent, loggedInUser } from '../../src/koji/hub-queries.ts';
import { startKerberosProxy, startRealm } from '../support/kerberos.ts';
import { startKojiHub } from '../support/koji-hub.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';

// MIT's KDC, Apache with mod_auth_gssapi as koji's manual has it, and behind it the stand-in for the hub.
const dir = sharedFolder();
const realm = await startRealm(join(dir, 'realm'));
const hub = await startKojiHub({ topdir: join(dir, 'top'), behindKerberos: true });
const web = await startKerberosProxy(
  join(dir, 'web'),
  hub.server.replace('/kojihub', ''),
  await realm.principal('HTTP/localhost'),
);
const keytab = await realm.principal('signer/localhost');
process.env['KRB5_CONFIG'] = realm.config;
afterAll(async () => {
  delete process.env['KRB5_CONFIG'];
  await web.stop();
  await hub.close();
  await realm.stop();
});

const PATIENCE = { retryMs: 5, tries: 3, offlineMs: 1, mostOfflineMs: 60_000 };
const task = testTask(dir);
const topurl = 'file:///nowhere';
const open = (options = {}) =>
  openKoji({ server: `${web.url}/kojihub`, topurl, caFile: web.caFile, keytab, ...options }, task, PATIENCE);

beforeEach(() => {
  hub.users.set('signer/localhost@TEST.INVALID', { id: 2, name: 'signer', permissions: ['sign'] });
  hub.calls.length = 0;
});

describe('login by Kerberos', () => {
  it('is that of the keytab; the session goes on without it, and reading needs none', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('krb5cc'));
    const session = open();
    await session.call(lastEvent());
    expect(hub.calls).not.toContain('sslLogin');
    expect(await session.call(loggedInUser())).toEqual({ id: 2, name: 'signer' });
    expect(await session.call(loggedInUser())).toEqual({ id: 2, name: 'signer' });
    await session.close();
    expect(hub.calls.filter((name) => name === 'sslLogin')).toHaveLength(1);
    expect(hub.calls.at(-1)).toBe('logout');
    const log = readFileSync(task.logFile, 'utf8');
    for (const secret of [...hub.sessionKeys(), 'Negotiate ']) expect(log).not.toContain(secret);
    // Tickets of the user that runs this are neither used nor made.
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('krb5cc'))).toEqual(before);
  });

  it('logs in anew once the session has expired', async () => {
    const session = open();
    await session.call(loggedInUser());
    hub.expireSessions();
    expect(await session.call(loggedInUser())).toEqual({ id: 2, name: 'signer' });
    await session.close();
  });

  it('a principal that is no user of the hub is refused with what to do', async () => {
    hub.users.clear();
    await expect(open().call(loggedInUser())).rejects.toMatchObject({
      message: expect.stringContaining('refuses the login: Unknown user: signer/localhost@TEST.INVALID'),
      hint: expect.stringContaining(`The first principal of ${keytab} must be a user`),
    });
  });

  it('an old keytab, one that is not there, and one of another kind are told apart', async () => {
    const old = await realm.principal('old/localhost');
    await realm.rekey('old/localhost');
    await expect(open({ keytab: old }).call(loggedInUser())).rejects.toMatchObject({
      code: 'koji',
      message: expect.stringContaining(`takes no login with ${old}: `),
      hint: expect.stringContaining('klist -k'),
    });
    await expect(open({ keytab: join(dir, 'none') }).call(loggedInUser())).rejects.toThrow(
      `The keytab ${join(dir, 'none')} of the koji block cannot be read.`,
    );
    await expect(open({ keytab: web.caFile }).call(loggedInUser())).rejects.toMatchObject({
      code: 'koji',
      message: expect.stringContaining(`takes no login with ${web.caFile}: `),
    });
  });

  it('a server that is not trusted is refused at once; one that is not there is tried again', async () => {
    await expect(open({ caFile: undefined }).call(loggedInUser())).rejects.toMatchObject({
      code: 'koji',
      message: expect.stringContaining('cannot be asked: SSL certificate problem'),
    });
    const server = 'https://localhost:1/kojihub';
    await expect(open({ server }).call(loggedInUser())).rejects.toMatchObject({
      code: 'koji-unreachable',
      message: expect.stringContaining('Failed to connect to localhost port 1'),
    });
  });

  it('waits for a hub in maintenance', async () => {
    hub.mishaps.push('offline', 'offline');
    expect(await open().call(loggedInUser())).toEqual({ id: 2, name: 'signer' });
  });

  it('a realm that does not answer is as a hub that does not', async () => {
    const away = await startRealm(join(dir, 'away'));
    const lost = await away.principal('lost/localhost');
    await away.stop();
    process.env['KRB5_CONFIG'] = away.config;
    onTestFinished(() => {
      process.env['KRB5_CONFIG'] = realm.config;
    });
    await expect(open({ keytab: lost }).call(loggedInUser())).rejects.toMatchObject({
      code: 'koji-unreachable',
      message: expect.stringContaining('Cannot contact any KDC'),
    });
  });
});
