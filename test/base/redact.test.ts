import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NightlyError } from '../../src/base/errors.ts';
import { createRedactor, keepSecret, redact, withoutUserinfo } from '../../src/base/redact.ts';
import { commandLine } from '../../src/programs/program-fault.ts';

const SECRET = `it's "Tr0ub4dor" & 3/% ü`;
keepSecret(SECRET);

test('I11: a secret that was told is masked in the forms in which programs print it', () => {
  for (const form of [
    SECRET,
    JSON.stringify({ env: SECRET }),
    commandLine('login', ['--password', SECRET]),
    `https://example.org/?p=${encodeURIComponent(SECRET)}`,
    Buffer.from(SECRET).toString('base64'),
  ]) {
    expect(redact(form)).toContain('***');
    expect(redact(form)).not.toMatch(/Tr0ub4dor/);
  }
  expect(new NightlyError('bug', `said ${SECRET}`, { hint: `try ${SECRET}` })).toMatchObject({
    message: 'said ***',
    hint: 'try ***',
  });
});

test.each([
  ['https://user:pa55@mirror.example.org/repo', 'https://user:***@mirror.example.org/repo'],
  ["Cannot download 'http://u:p%40@h:8080/x': 404", "Cannot download 'http://u:***@h:8080/x': 404"],
  ['https://ghp_token@github.com/x', 'https://***@github.com/x'],
  ['rsync://nightly@host/module and ssh://git@host', 'rsync://nightly@host/module and ssh://git@host'],
  ['> Authorization: Basic dXNlcjpwYXNz', '> Authorization: ***'],
  ['{"authorization":"Bearer abc","accept":"*"}', '{"authorization":"***","accept":"*"}'],
  [`{ authorization: 'Bearer abc', accept: '*' }`, `{ authorization: '***', accept: '*' }`],
  ['Proxy-Authorization: Negotiate YII=', 'Proxy-Authorization: ***'],
  ['https://example.org/a:b@c', 'https://example.org/a:b@c'],
  ['https://example.org?to=a@b and http://h:80?to=a@b', 'https://example.org?to=a@b and http://h:80?to=a@b'],
])('I11: what looks like a secret is masked: %s', (text, expected) => {
  expect(redact(text)).toBe(expected);
});

test('I11: a secret that is cut in two by pieces of any length is masked, and nothing else is lost', () => {
  const text = `first\n${SECRET}${SECRET} ünd\r\nhalf ${SECRET.slice(0, 9)}\n${'x'.repeat(200)}${SECRET}`;
  const bytes = Buffer.from(text);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const redactor = createRedactor();
      const pieces = places.slice(1).map((end, index) => redactor.push(bytes.subarray(places[index], end)));
      expect(pieces.join('') + redactor.rest()).toBe(redact(text));
    }),
  );
});

test('I11: also in a line that is too long to be held back', () => {
  const redactor = createRedactor();
  let out = '';
  for (let count = 0; count < 3000; count += 1) out += redactor.push(`${'y'.repeat(97)}${SECRET}`);
  expect(out.length).toBeGreaterThan(100_000);
  out += redactor.rest();
  expect(out).not.toContain('Tr0ub4dor');
  expect(out.split('***')).toHaveLength(3001);
});

test('user and password of a URL are left out, an @ in its path is not', () => {
  expect(withoutUserinfo('https://u:p@example.org/a@b')).toBe('https://example.org/a@b');
  expect(withoutUserinfo('file:///a@b')).toBe('file:///a@b');
});
