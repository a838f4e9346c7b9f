import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { redact } from '../../src/base/redact.ts';
import {
  getTag,
  historyAfter,
  lastEvent,
  listTags,
  loggedInUser,
  permissions,
  tagConfig,
  taggedBuilds,
  taggedRpms,
  tagHistory,
  tagsChangedSince,
} from '../../src/koji/hub-queries.ts';
import { openHub } from '../../src/koji/open-hub.ts';
import { addSignature, isSignatureThere, rpmSignatures, writeSignedCopy } from '../../src/koji/signature-calls.ts';
import { makeCertificate } from '../support/certificate.ts';
import { addBuild, addTag, blockPackage, setArches, tagBuild, untagBuild } from '../support/koji-admin.ts';
import { readAnswer, recorded } from '../support/koji-dialect.ts';
import { startKojiHub } from '../support/koji-hub.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';

const dir = sharedFolder();
const certificate = await makeCertificate(dir);
const hub = await startKojiHub({ topdir: join(dir, 'top'), tls: { ...certificate, clientCa: certificate.file } });
afterAll(() => hub.close());

const PATIENCE = { retryMs: 5, tries: 4, offlineMs: 1, mostOfflineMs: 60_000 };
const connection = { caFile: certificate.file, certFile: certificate.file, keyFile: certificate.keyFile };
const task = testTask(dir);
const open = (options = {}) => openHub({ server: hub.server, connection, patience: PATIENCE, ...options }, task);

const TAG = 'storage7-gluster-7-release';
await hub.transaction(async (state, say) => {
  addTag(state, TAG, 'x86_64 aarch64');
  const build = { name: 'glusterfs', version: '7.2', release: '1.el7' };
  addBuild(state, build, [
    { name: 'glusterfs', arch: 'src' },
    { name: 'glusterfs', arch: 'x86_64' },
  ]);
  addBuild(state, { ...build, name: 'other' }, [{ name: 'other', arch: 'noarch' }]);
  await tagBuild(state, TAG, 'glusterfs-7.2-1.el7', say);
});

beforeEach(() => {
  hub.users.set('127.0.0.1', { id: 2, name: 'signer', permissions: ['sign'] });
  hub.mishaps.length = 0;
  hub.calls.length = 0;
  task.lines.length = 0;
});

describe('answers of a real hub', () => {
  const valueIn = (name: string) => {
    const answer = readAnswer(recorded(name).body);
    return answer.kind === 'value' ? answer.value : answer;
  };
  it('have the shapes that the calls ask for', () => {
    const shapeOf = (name: string, { shape }: { shape: { parse(value: unknown): unknown } }) =>
      shape.parse(valueIn(name));
    expect(shapeOf('08-getLastEvent.response', lastEvent())).toEqual({ id: 1525, ts: 1795889063.33655 });
    expect(shapeOf('09-listTags.response', listTags('*'))).toHaveLength(3);
    expect(shapeOf('10-getTag.response', getTag(TAG, 1))).toEqual({
      id: 3,
      name: TAG,
      arches: 'x86_64 aarch64',
      locked: false,
    });
    expect(shapeOf('11-getTag-missing.response', getTag('nope', 1))).toBe(null);
    expect(shapeOf('12-getBuildConfig.response', tagConfig(TAG, 1))).toMatchObject({ id: 3, arches: 'x86_64 aarch64' });
    expect(shapeOf('14-listTagged.response', taggedBuilds(TAG, 1))).toMatchObject([{ nvr: 'glusterfs-7.2-1.el7' }]);
    const [rpms] = taggedRpms(TAG, 1).shape.parse(valueIn('16-listTaggedRPMS.response'));
    expect(rpms[0]).toMatchObject({ arch: 'src', payloadhash: 'd913404910b060119ca2862e27c2040d', sigkey: '' });
    expect(rpms[1]).toMatchObject({ id: rpms[0]?.id, sigkey: 'bfcdd224' });
    const history = tagHistory(TAG).shape.parse(valueIn('24-queryHistory.response'));
    expect(history.tag_listing[1]).toMatchObject({ creator_name: 'kojiadmin', create_event: 1526, active: true });
    expect(shapeOf('25-tagChangedSinceEvent.response', tagsChangedSince(1, [3]))).toBe(true);
    expect(shapeOf('21-queryRPMSigs.response', rpmSignatures(8))).toMatchObject([
      { sigkey: '' },
      { sigkey: 'bfcdd224' },
    ]);
    expect(shapeOf('05-getLoggedInUser.response', loggedInUser())).toEqual({ id: 2, name: 'signer' });
    expect(shapeOf('07-getPerms.response', permissions())).toEqual(['sign']);
    expect(shapeOf('32-writeSignedRPM.response', writeSignedCopy(1, 'bfcdd224'))).toBe(null);
    expect(isSignatureThere(Object(readAnswer(recorded('29-addRPMSig-again.response').body)))).toBe(true);
    expect(isSignatureThere(Object(readAnswer(recorded('30-addRPMSig-wrong-rpm.response').body)))).toBe(false);
  });
});

describe('reading', () => {
  it('needs no login, and sees the state of its event whatever happens afterwards', async () => {
    const { id } = await open().call(lastEvent());
    await hub.transaction(async (state, say) => {
      await untagBuild(state, TAG, 'glusterfs-7.2-1.el7', say);
      await tagBuild(state, TAG, 'other-7.2-1.el7', say, 'bob');
      blockPackage(state, TAG, 'other');
      setArches(state, TAG, 'x86_64');
    });
    const now = (await open().call(lastEvent())).id;
    expect(await open().call(taggedBuilds(TAG, id))).toMatchObject([{ name: 'glusterfs', volume_name: 'DEFAULT' }]);
    expect((await open().call(taggedRpms(TAG, id)))[0].map(({ arch }) => arch)).toEqual(['src', 'x86_64']);
    expect(await open().call(taggedBuilds(TAG, now))).toEqual([]);
    expect(await open().call(tagConfig(TAG, id))).toMatchObject({ arches: 'x86_64 aarch64' });
    expect(await open().call(tagConfig(TAG, now))).toMatchObject({ arches: 'x86_64' });
    expect((await open().call(historyAfter(id))).tag_listing).toMatchObject([
      { name: 'glusterfs', revoker_name: 'alice', active: null },
      { name: 'other', creator_name: 'bob', active: true },
    ]);
    expect(await open().call(tagsChangedSince(id, [1]))).toBe(true);
    expect(await open().call(tagsChangedSince(now, [1]))).toBe(false);
    expect(hub.calls).not.toContain('sslLogin');
  });

  it('a fault is an error with its text', async () => {
    await expect(open().call(taggedBuilds('nope', 1))).rejects.toMatchObject({
      code: 'koji',
      message: `The koji hub ${hub.server} refuses listTagged: No such tagInfo: 'nope' (fault 1000).`,
    });
  });

  it('an answer of another shape is an error that says what is wrong with it', async () => {
    await expect(open().call({ ...lastEvent(), method: 'getAPIVersion' })).rejects.toThrow(
      /answers getAPIVersion with something else/,
    );
  });

  it('a login page, a refused certificate and HTTP 403 are told at once', async () => {
    hub.mishaps.push('login-page');
    await expect(open().call(lastEvent())).rejects.toThrow(
      'did not answer as a koji hub: it is a web page ("Sign in")',
    );
    hub.mishaps.push(403);
    await expect(open().call(lastEvent())).rejects.toMatchObject({
      code: 'koji',
      hint: expect.stringContaining('client certificate'),
    });
    const distrusting = { ...connection, caFile: undefined };
    await expect(open({ connection: distrusting }).call(lastEvent())).rejects.toThrow(
      "the server's certificate is not trusted",
    );
    expect(task.lines).toEqual([]);
  });

  it('a certificate of our own that is not there, or is none, is told at once, and not as a hub that is silent', async () => {
    const none = join(dir, 'none.pem');
    const garbage = join(dir, 'garbage.pem');
    await writeFile(garbage, 'no certificate\n');
    for (const [file, why] of [
      [none, `the certificate or key ${none} is not there`],
      [garbage, `${garbage}, `],
    ] as const) {
      const asking = open({ connection: { ...connection, certFile: file, keyFile: file } }).call(lastEvent());
      await expect(asking, file).rejects.toMatchObject({
        code: 'koji',
        message: expect.stringContaining(`cannot be asked: ${why}`),
        hint: expect.stringContaining(file),
      });
    }
    expect(task.lines).toEqual([]);
  });
});

describe('a hub that fails', () => {
  it('is asked again, and given up after so many tries', async () => {
    hub.mishaps.push(503, 'broken', 'cut');
    expect(await open().call(lastEvent())).toMatchObject({ id: expect.any(Number) });
    hub.mishaps.push(502, 429, 504, 500);
    await expect(open().call(lastEvent())).rejects.toMatchObject({
      code: 'koji-unreachable',
      message: expect.stringContaining('HTTP 500'),
    });
  });

  it('that is down for maintenance is waited for without counting failures', async () => {
    hub.mishaps.push(503, 502, ...Array.from({ length: 30 }, () => 'offline' as const), 500);
    await open().call(lastEvent());
    expect(task.lines.filter((line) => line.includes('down for maintenance (temporary outage)'))).toHaveLength(30);
  });

  it('that is down for longer than maintenance may take is given up', async () => {
    hub.mishaps.push('offline', 'offline', 'offline');
    const patience = { ...PATIENCE, mostOfflineMs: 0 };
    await expect(open({ patience }).call(lastEvent())).rejects.toMatchObject({ code: 'koji-unreachable' });
  });

  it('is not waited for by a run that was interrupted', async () => {
    const stop = new AbortController();
    const interrupted = openHub(
      { server: hub.server, connection, patience: { ...PATIENCE, offlineMs: 60_000 } },
      testTask(dir, stop.signal),
    );
    hub.mishaps.push('offline');
    const asked = interrupted.call(lastEvent());
    setTimeout(() => stop.abort(new Error('stopped')), 50);
    await expect(asked).rejects.toThrow(/stopped|aborted/);
  });
});

describe('a session', () => {
  it('logs in by certificate, numbers its calls, and is closed', async () => {
    const session = open();
    expect(await session.call(loggedInUser())).toEqual({ id: 2, name: 'signer' });
    expect(await Promise.all([session.call(permissions()), session.call(permissions())])).toEqual([['sign'], ['sign']]);
    await session.close();
    expect(hub.calls).toEqual(['sslLogin', 'getLoggedInUser', 'getPerms', 'getPerms', 'logout']);
  });

  it('a call that was done while its answer was lost is not done twice under one number', async () => {
    const session = open();
    await session.call(loggedInUser());
    hub.mishaps.push('lost');
    expect(await session.call(permissions())).toEqual(['sign']);
    // The first try was committed: the second one, of the same number, got 1009, and the next number the answer.
    expect(hub.calls).toEqual(['sslLogin', 'getLoggedInUser', 'getPerms', 'getPerms']);
    expect(task.lines.join('\n')).toMatch(/unable to retry call 1 \(method getPerms\)/);
  });

  it('that has expired is replaced', async () => {
    const session = open();
    await session.call(loggedInUser());
    hub.expireSessions();
    expect(await session.call(permissions())).toEqual(['sign']);
    expect(hub.calls).toEqual(['sslLogin', 'getLoggedInUser', 'sslLogin', 'getPerms']);
  });

  it('is refused with what to do about it', async () => {
    hub.users.clear();
    await expect(open().call(permissions())).rejects.toMatchObject({
      message: `The koji hub ${hub.server} refuses the login: Unknown user: 127.0.0.1.`,
      hint: expect.stringContaining('koji add-user'),
    });
    const nobody = { caFile: certificate.file };
    await expect(open({ connection: nobody }).call(permissions())).rejects.toMatchObject({
      hint: expect.stringContaining('cert-file'),
    });
    hub.users.set('127.0.0.1', { id: 2, name: 'signer', permissions: [] });
    await expect(open().call(addSignature(1, Buffer.alloc(1)))).rejects.toMatchObject({
      message: expect.stringContaining('sign permission required (logged in as signer)'),
      hint: expect.stringContaining('grant-permission sign'),
    });
  });

  it('its key is in no message', async () => {
    await open().call(loggedInUser());
    const key = hub.sessionKeys().at(-1) ?? '';
    expect(redact(`the session ${key} ended`)).toBe('the session *** ended');
  });
});

describe('a multicall', () => {
  it('goes in bounded batches, gives each result in its place, and a fault stays its own', async () => {
    const session = open();
    const calls = [
      taggedBuilds(TAG, 1),
      taggedBuilds('nope', 1),
      taggedBuilds(TAG, 5),
      taggedBuilds(TAG, 1),
      taggedBuilds(TAG, 5),
    ];
    const results = await session.callAll(calls, 2);
    expect(results.map((result) => (result.kind === 'value' ? result.value.length : result.code))).toEqual([
      0, 1000, 1, 0, 1,
    ]);
    expect(hub.calls.filter((name) => name === 'multiCall')).toHaveLength(3);
    expect(await session.callAll([], 2)).toEqual([]);
  });

  it('with a login counts as one call, and is repeated as a whole', async () => {
    const session = open();
    await session.call(loggedInUser());
    hub.mishaps.push('lost');
    const results = await session.callAll([permissions(), permissions()], 10);
    expect(results).toEqual([
      { kind: 'value', value: ['sign'] },
      { kind: 'value', value: ['sign'] },
    ]);
    expect(hub.calls.filter((name) => name === 'multiCall')).toHaveLength(2);
  });
});
