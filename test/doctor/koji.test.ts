import { join } from 'node:path';
import { afterAll, beforeEach, expect, it } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { contentSchema } from '../../src/config/content.ts';
import { checkKoji } from '../../src/doctor/check-koji.ts';
import { makeCertificate } from '../support/certificate.ts';
import { addTag } from '../support/koji-admin.ts';
import { startKojiHub } from '../support/koji-hub.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';

const dir = sharedFolder();
const certificate = await makeCertificate(dir);
const hub = await startKojiHub({ topdir: join(dir, 'top'), tls: { ...certificate, clientCa: certificate.file } });
afterAll(() => hub.close());
await hub.transaction((state) => {
  for (const name of ['storage7-ceph-release', 'storage8s-ceph-release', 'storage8s-ceph-candidate'])
    addTag(state, name);
});

const key = await makeFileKey(dir, { name: 'storage' });
const content = contentSchema({ folder: '/' }).parse({
  keys: { storage: { type: 'openpgp', 'key-file': key.keyFile, 'passphrase-file': key.passphrase.file } },
  rules: [
    {
      tags: '<sig><release>-<project>-release',
      level: 'release',
      target: 'a',
      path: 'x/<release>/<sig>/<project>/<arch>',
    },
  ],
});
const koji = {
  ...{ server: hub.server, topurl: hub.topurl, caFile: certificate.file },
  ...{ certFile: certificate.file, keyFile: certificate.keyFile },
};
const check = (more: object = {}) => checkKoji({ koji, content, ...more } as Config, testTask(dir));

beforeEach(() => {
  hub.users.set('127.0.0.1', { id: 2, name: 'signer', permissions: ['sign'] });
  hub.mishaps.length = 0;
});

it('the hub, who logs in there and the tags are looked at', async () => {
  expect(await check()).toEqual([
    { name: 'koji hub', state: 'ok', detail: `${hub.server}, event 4` },
    { name: 'koji login', state: 'ok', detail: 'signer, who may sign' },
    { name: 'koji tags', state: 'ok', detail: '2 tags to publish' },
    {
      ...{ name: 'content key storage, release 7', state: 'missing' },
      detail: expect.stringContaining('Hosts of release 7 verify RSA signatures of packages, and the key is'),
    },
    {
      ...{ name: 'content key storage, release 8', state: 'ok' },
      detail: `${key.fingerprint}, in koji ${key.fingerprint.slice(-8).toLowerCase()}`,
    },
  ]);
  expect(hub.calls.at(-1)).toBe('logout');
  expect(await check({ koji: undefined })).toEqual([]);
});

it('what is wrong with one of them is said with what to do', async () => {
  hub.mishaps.push('offline', 'offline', 503, 503, 'offline', 'offline', 503);
  expect(await check()).toMatchObject([
    { name: 'koji hub', state: 'missing', detail: expect.stringContaining('does not answer') },
  ]);
  hub.mishaps.length = 0;
  hub.users.set('127.0.0.1', { id: 2, name: 'signer', permissions: [] });
  expect((await check())[1]).toMatchObject({
    state: 'missing',
    detail: expect.stringContaining('koji grant-permission sign signer'),
  });
  hub.users.clear();
  expect((await check())[1]).toMatchObject({
    state: 'missing',
    detail: expect.stringContaining('Unknown user: 127.0.0.1'),
  });
  const [rule] = content.rules;
  const claimed = { ...content, rules: [rule, { ...rule, tags: 'storage7-<project>-release' }] };
  expect((await check({ content: claimed }))[2]).toMatchObject({
    state: 'missing',
    detail: expect.stringContaining('storage7-ceph-release: two rules claim it'),
  });
});
