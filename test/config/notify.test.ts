import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { temporaryFolder } from '../support/tmp.ts';

function parse(notify: string) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'host.yaml'), 'ref: a\n');
  const text = `name: lab
targets:
  web: {type: directory, path: www, url: 'http://127.0.0.1'}
streams:
  nightly: {treefile: host.yaml, targets: [web]}
notify:
${notify}`;
  return { folder, ...parseConfig(text, join(folder, 'atomic-nightly.yaml')) };
}

const SMTP = 'smtp: {host: mail.example.org, user: n, password-file: smtp-password}';

test('sinks get names, absolute paths, and the events that people or programs want', () => {
  const { folder, notify } = parse(`
  - {type: mail, from: n@example.org, to: [a@example.org], ${SMTP}}
  - {type: mail, from: n@example.org, to: [b@example.org], ${SMTP}, events: [released], streams: [nightly]}
  - {type: webhook, url: 'https://example.org/x', secret-file: hook}
  - {type: matrix, homeserver: 'https://matrix.example.org/', room: '!a:example.org', access-token-file: token}
  - {type: mqtt, name: broker, url: 'mqtts://mq.example.org', username: n, password-file: mq}
`);
  expect(notify).toMatchObject([
    { name: 'mail', smtp: { port: 25, security: 'starttls', passwordFile: join(folder, 'smtp-password') } },
    { name: 'mail-2', events: ['released'], streams: ['nightly'] },
    { name: 'webhook', secretFile: join(folder, 'hook') },
    { name: 'matrix', homeserver: 'https://matrix.example.org', accessTokenFile: join(folder, 'token') },
    { name: 'broker', topicPrefix: 'atomic-nightly/lab', passwordFile: join(folder, 'mq') },
  ]);
  expect(notify[0]?.events).toContain('recovered');
  expect(notify[0]?.events).not.toContain('complete');
  expect(notify[4]?.events).toContain('started');
});

test.each([
  ['{type: pager}', /notify\[0\]\.type|notify\.0\.type/],
  [`{type: mail, from: "a b", to: [a@example.org], ${SMTP}}`, /from.*must be a mail address/],
  [`{type: mail, from: a@example.org, to: [], ${SMTP}}`, /needs at least one address/],
  ['{type: mail, from: a@example.org, to: [b@example.org]}', /smtp/],
  ["{type: webhook, url: 'https://u:p@example.org/x', secret-file: s}", /without a password/],
  ["{type: webhook, url: 'https://example.org/x', secret-file: ~/s}", /"~" and variables are not expanded here/],
  ["{type: mqtt, url: 'mqtt://u:p@example.org'}", /without a password/],
  ["{type: mqtt, url: 'mqtt://example.org', topic-prefix: 'a/#'}", /must be words joined/],
  ["{type: matrix, homeserver: 'https://m', room: '#a:m', access-token-file: t}", /must be the id of a room/],
  ["{type: webhook, url: 'https://m', secret-file: t, events: [exploded]}", /events/],
  ["{type: webhook, url: 'https://m', secret-file: t, streams: [nihgtly]}", /there is no stream "nihgtly".*nightly/],
  [
    "{type: webhook, name: x, url: 'https://m', secret-file: t}\n  - {type: webhook, name: x, url: 'https://n', secret-file: t}",
    /is the name of another sink/,
  ],
  [
    `{type: mail, from: a@example.org, to: [b@example.org], ${SMTP}, template: none.hbs}`,
    /there is no file .*none\.hbs/,
  ],
])('a fault is told with its line: %s', (sink, message) => {
  expect(() => parse(`  - ${sink}\n`)).toThrow(message);
  expect(() => parse(`  - ${sink}\n`)).toThrow(/atomic-nightly\.yaml:[78]:\d+/);
});

test('a stream whose name would be another MQTT topic is refused', () => {
  const folder = temporaryFolder();
  for (const name of ['a/#', '+', 'a/b', '$SYS']) {
    const text = `name: lab\nnotify: [{type: mqtt, url: 'mqtt://127.0.0.1'}]\nstreams: {'${name}': {targets: [web]}}\n`;
    expect(() => parseConfig(text, join(folder, 'atomic-nightly.yaml'))).toThrow(/must start with a letter or digit/);
  }
});
