import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { isPassword, readPasswords } from '../../src/service/events/mosquitto-passwords.ts';
import { matchesTopic, streamOfTopic } from '../../src/service/events/topic.ts';
import { rateLimit } from '../../src/service/http/rate-limit.ts';
import { bearerToken, isKnownToken, makeToken } from '../../src/service/http/token.ts';
import { temporaryFolder } from '../support/tmp.ts';

test('a token is known by its hash alone, on any line, until its line goes', () => {
  const [one, two] = [makeToken(), makeToken()];
  const file = `# mirrors\n${one.hash}\n${two.hash} 2026-11-21 mirror\nsha256:short\n`;
  expect(file).not.toContain(one.token);
  expect([one, two].map(({ token }) => isKnownToken(token, file))).toEqual([true, true]);
  expect(isKnownToken(two.token, `${one.hash}\n`)).toBe(false);
  // The hash itself, which whoever reads the file has, opens nothing.
  fc.assert(fc.property(fc.oneof(fc.string(), fc.constant(one.hash)), (text) => !isKnownToken(text, file)));
});

test('only a header "Bearer TOKEN" has a token', () => {
  const { token } = makeToken();
  expect(bearerToken(`Bearer ${token}`)).toBe(token);
  expect(bearerToken(`bearer  ${token}`)).toBe(token);
  for (const header of [undefined, '', token, `Basic ${token}`, `Bearer ${token} more`, 'Bearer a\nb']) {
    expect(bearerToken(header)).toBeUndefined();
  }
});

test('as many as allowed within a time, for each by itself', () => {
  const limit = rateLimit(3, 60_000);
  expect([0, 1, 2].map((ms) => limit.take('a', ms))).toEqual([0, 0, 0]);
  expect(limit.take('a', 30_000)).toBe(30);
  expect(limit.take('b', 30_000)).toBe(0);
  expect(limit.take('a', 60_000)).toBe(0);
});

test('many names do not fill the memory, nor forget the last ones', () => {
  const limit = rateLimit(1, 60_000);
  for (let name = 0; name < 30_000; name += 1) limit.take(`address ${name}`, 0);
  expect(limit.take('address 29999', 1)).toBe(60);
  expect(limit.take('address 0', 1)).toBe(0);
});

test('passwords as mosquitto_passwd writes them', async () => {
  const file = join(temporaryFolder(), 'passwords');
  await run('mosquitto_passwd', ['-b', '-c', file, 'mirror', 'geheim: ä']);
  await run('mosquitto_passwd', ['-b', file, 'other', 'else']);
  const users = readPasswords(await readFile(file, 'utf8'));
  const right = (user: string | undefined, password: string | undefined) =>
    isPassword(users, user, password === undefined ? undefined : Buffer.from(password));
  expect(await right('mirror', 'geheim: ä')).toBe(true);
  expect(await right('other', 'else')).toBe(true);
  expect(await right('mirror', 'else')).toBe(false);
  expect(await right('nobody', 'else')).toBe(false);
  expect(await right('mirror', undefined)).toBe(false);
  expect(await right(undefined, undefined)).toBe(false);
});

test('topic filters match as MQTT says', () => {
  const matching = [
    ['a/b', 'a/b'],
    ['a/+', 'a/b'],
    ['a/#', 'a/b/c'],
    ['#', 'a/b'],
    ['a/#', 'a'],
    ['+/+', '/b'],
  ];
  const not = [
    ['a/b', 'a/c'],
    ['a/+', 'a/b/c'],
    ['a/+', 'a'],
    ['#', '$SYS/x'],
    ['+/x', '$SYS/x'],
    ['a/#/b', 'a/x/b'],
    ['a', 'a/b'],
  ];
  expect(matching.filter(([filter = '', topic = '']) => !matchesTopic(filter, topic))).toEqual([]);
  expect(not.filter(([filter = '', topic = '']) => matchesTopic(filter, topic))).toEqual([]);
});

test('only the level right below the prefix of a topic names a stream', () => {
  expect(streamOfTopic('atomic/trigger', 'atomic/trigger/nightly')).toBe('nightly');
  for (const topic of ['atomic/trigger', 'atomic/trigger/', 'atomic/trigger/a/b', 'atomic/triggers/a', 'x']) {
    expect(streamOfTopic('atomic/trigger', topic)).toBeUndefined();
  }
});
