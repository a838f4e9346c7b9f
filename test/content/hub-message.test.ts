import { expect, it } from 'vitest';
import { readHubMessage } from '../../src/content/hub-message.ts';

const read = (value: unknown) => readHubMessage(Buffer.from(JSON.stringify(value)));
const TAG = 'storage7-gluster-7-release';

it.each([
  ["CBS's own plugin", { action: 'postTag', tag: TAG }],
  ["fedora-messaging's body", { build_id: 1, name: 'gluster', tag: TAG, tag_id: 3, user: 'kojira', instance: 'cbs' }],
  ['fedora-messaging around it', { topic: 'org.centos.prod.buildsys.tag', body: { tag: TAG } }],
  ['fedmsg around it', { topic: 'buildsys.untag', msg: { tag: TAG } }],
  ["protonmsg's body", { tag: { id: 3, name: TAG }, build: { nvr: 'gluster-7-1' }, user: { name: 'x' }, force: null }],
])('C2: the tag is read from %s, and nothing else', (_, value) => {
  expect(read(value)).toEqual({ tag: TAG });
});

it.each([
  ['no JSON', Buffer.from('postTag'), 'it is not JSON in UTF-8'],
  ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'it is not JSON in UTF-8'],
  ['another thing', Buffer.from('{"name":"gluster"}'), 'it names no tag'],
  ['null', Buffer.from('null'), 'it names no tag'],
  ['a path for a tag', Buffer.from('{"tag":"../../etc"}'), 'it names no tag'],
  ['an option for a tag', Buffer.from('{"tag":"--all"}'), 'it names no tag'],
  ['a line break in a tag', Buffer.from('{"tag":"a\\nb"}'), 'it names no tag'],
  ['too much', Buffer.alloc(70_000, ' '), 'it has more than 65536 bytes'],
])('C2: %s is dropped, with the reason', (_, payload, dropped) => {
  expect(readHubMessage(payload)).toEqual({ dropped });
});
