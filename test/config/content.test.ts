import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { fillParts, hubPattern, majorRelease, matchTag, partNames } from '../../src/config/tag-pattern.ts';
import { sharedFolder } from '../support/tmp.ts';

const dir = sharedFolder();
writeFileSync(join(dir, 'host.yaml'), '{}');

const RULE = `{tags: <sig><release>-<project>-release, level: release, target: mirror, path: SIGs/<release>/<sig>/<arch>/<project>}`;
const KEYS = 'keys: {storage: {type: openpgp, key-file: k}}';
const KOJI = 'koji: {server: "https://koji.example.org/kojihub", topurl: "https://koji.example.org/kojifiles"}';

const parse = (content: string, koji = KOJI) =>
  parseConfig(
    `name: lab
targets:
  mirror: {type: directory, path: /srv/mirror, url: "http://mirror"}
streams: {nightly: {treefile: host.yaml, targets: [mirror]}}
${koji}
content: ${content}
`,
    join(dir, 'atomic-nightly.yaml'),
  );

function faultsOf(content: string, koji?: string): string {
  try {
    parse(content, koji);
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
}

describe('tags', () => {
  const PATTERN = '<sig><release>-<project>-release';

  it.each([
    ['storage7-gluster-7-release', { sig: 'storage', release: '7', project: 'gluster-7' }],
    ['cloud8s-openstack-yoga-release', { sig: 'cloud', release: '8s', project: 'openstack-yoga' }],
    ['kmods9s-packages-main-release', { sig: 'kmods', release: '9s', project: 'packages-main' }],
    ['messaging10s-qpid-release', { sig: 'messaging', release: '10s', project: 'qpid' }],
    ['storage7-gluster-7-testing', undefined],
    ['storage7-../x-release', undefined],
    ['storage7-.-release', undefined],
    ['7-x-release', undefined],
  ])('%s', (tag, parts) => {
    expect(matchTag(PATTERN, tag)).toEqual(parts);
  });

  it('a pattern is asked for with stars, and its parts fill templates', () => {
    expect(hubPattern(PATTERN)).toBe('**-*-release');
    expect(fillParts('SIGs/<release>/<sig>/<arch>', { release: '7', sig: 'storage', arch: 'x86_64' })).toBe(
      'SIGs/7/storage/x86_64',
    );
    expect(fillParts('<sig>/<constructor>', { sig: 'storage' })).toBe(undefined);
    expect(['7', '8s', '10s', 'x', undefined].map(majorRelease)).toEqual([7, 8, 10, undefined, undefined]);
  });

  it('I12: no part of any tag leaves its place in a path', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (project, sig) => {
        for (const tag of [`storage7-${project}-release`, `${sig}7-x-release`]) {
          const parts = matchTag(PATTERN, tag);
          if (parts === undefined) continue;
          const path = fillParts('a/<sig>/<release>/<project>', parts) ?? '';
          expect(path.split('/')).toHaveLength(4);
          expect(path).not.toMatch(/(^|\/)\.\.?(\/|$)/);
          expect(partNames(PATTERN).map((name) => parts[name])).not.toContain('');
        }
      }),
    );
  });
});

describe('the content block', () => {
  it('has what it leaves out filled in', () => {
    const { content, koji } = parse(`{${KEYS}, rules: [${RULE}]}`);
    expect(koji).toEqual({ server: 'https://koji.example.org/kojihub', topurl: 'https://koji.example.org/kojifiles' });
    expect(content).toMatchObject({
      ...{ push: true, removalLimit: 30, exclude: [], keepSeconds: 7 * 86_400 },
      ...{ pollSeconds: 300, quietSeconds: 30, longestWaitSeconds: 600 },
      rules: [{ key: '<sig>', level: 'release', target: 'mirror' }],
    });
  });

  it.each([
    [RULE, '', 'needs koji, whose tags it is about', ''],
    [RULE, '', 'keytab: goes instead of cert-file', KOJI.replace('}', ', keytab: k, cert-file: c}')],
    [RULE, '', 'keytab: needs a server with https://', KOJI.replace('https', 'http').replace('}', ', keytab: k}')],
    [RULE.replace('mirror', 'miror'), '', 'content.rules.0.target: there is no target "miror". Did you mean "mirror"?'],
    [RULE.replace('/<arch>', ''), '', 'content.rules.0.path: needs <arch>: each architecture has a repository'],
    [
      RULE.replace('/<sig>', ''),
      '',
      'content.rules.0.path: needs <sig>: two tags that differ in it would be in one place',
    ],
    [RULE.replace('/<sig>', '/<sig>/<gis>'), '', 'names <gis>, but it is not a part of'],
    [RULE.replace('SIGs/', '../'), '', 'must be words joined by "/"'],
    [RULE.replace('SIGs/', 'repo/'), '', 'begins with a folder that builds are published to'],
    [RULE.replace('<project>-', '<project><more>-'), '', 'has two parts side by side'],
    [RULE.replace('<project>-', '<sig>-'), '', 'has a part twice'],
    [RULE.replace('}', ', key: strage}'), '', 'there is no key "strage". Did you mean "storage"?'],
    [RULE.replace('}', ', key: <gis>}'), '', 'names <gis>, which is not a part of'],
    [RULE.replaceAll('<release>', '').replace('//', '/'), '', 'needs release, as its tags have no part <release>'],
    [
      RULE.replace(/}$/, ', source: {target: mirror, path: s/<release>/<sig>/<arch>/<project>}}'),
      '',
      'names <arch>, but sources have none',
    ],
    [`${RULE}, ${RULE}`, '', 'content.rules.1.tags: claims the same tags as rule 1.'],
    [
      `${RULE}, ${RULE.replace('-release,', '-testing,')}`,
      '',
      'content.rules.1.path: is a place in "mirror" that content.rules.0 is published to.',
    ],
    [RULE, ', removal-limit: 101', 'content.removal-limit'],
    [RULE, ', polls: 5m', 'polls'],
  ])('%s%s is a fault with its place', (rule, more, fault, koji?: string) => {
    expect(faultsOf(`{${KEYS}, rules: [${rule}]${more}}`, koji)).toContain(fault);
  });

  it('two places for one passphrase are a fault', () => {
    const keys = KEYS.replace('key-file: k', 'key-file: k, passphrase-file: p, passphrase-env: E');
    expect(faultsOf(`{${keys}, rules: [${RULE}]}`)).toContain('content.keys.storage.passphrase-env: is one too many');
  });
});

describe('the bus', () => {
  const faults = (messages: string): string[] =>
    faultsOf(`{${KEYS}, rules: [${RULE}], messages: ${messages}}`)
      .split('\n')
      .flatMap((line) => / content\.(messages\b.*)$/.exec(line)?.[1] ?? []);

  it.each([
    "{broker: 'mqtts://bus.example.org'}",
    "{broker: 'wss://bus.example.org/mqtt', topic: 'koji/+/#'}",
    "{broker: 'amqps://bus.example.org/%2Fpubsub', topic: 'org.fedoraproject.*.buildsys.#', exchange: zmq.topic}",
    "{broker: 'amqp://[::1]:5673', protocol: amqp-0-9-1, topic: '#'}",
    "{broker: 'amqps://umb.example.org', protocol: amqp-1.0, topic: 'queue://Consumer.a.b.VirtualTopic.eng.brew.>'}",
  ])('%s', (messages) => {
    expect(faults(messages)).toEqual([]);
  });

  it('what does not go together is named, all of it at once', () => {
    expect(faults("{broker: 'mqtt://h', topic: 'koji/#/x', exchange: e}")).toEqual([
      'messages.topic: must be a topic, with "+" for a level and "#" at the end.',
      'messages.exchange: is of AMQP 0-9-1 alone; leave it out.',
    ]);
    expect(faults("{broker: 'amqp://h', topic: 'a..b', status-topic: cbs-signing}")).toEqual([
      'messages.topic: must be words joined by ".", with "*" for one and "#" for any number of them.',
      'messages.status-topic: can be told over MQTT alone; leave it out.',
    ]);
    expect(faults("{broker: 'amqps://h'}")).toEqual([
      expect.stringMatching(/^messages: needs topic, which must be words/),
    ]);
    expect(faults("{broker: 'mqtt://h', protocol: amqp-1.0, topic: q}")).toEqual([
      'messages.protocol: is "amqp-1.0", and the address of the broker is of another: mqtt://h.',
    ]);
    expect(faults("{broker: 'amqp://user:secret@h', topic: q}").join()).toContain('without a password');
    for (const broker of ['amqp://h:99999', 'mqtt://[::', 'wss://a:b/c'])
      expect(faults(`{broker: '${broker}', topic: q}`).join(), broker).toContain(
        'is no URL: look at its host and port',
      );
    for (const broker of ['amqp://h/%zz', 'amqps://h/%'])
      expect(faults(`{broker: '${broker}', topic: q}`).join(), broker).toContain('has a "%" without two');
    expect(faults("{broker: 'stomp://h', topic: q}").join()).toContain('amqp(s)://host');
  });
});
