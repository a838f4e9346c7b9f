import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BUILD_EVENT_TYPES } from '../../../src/config/notify.ts';
import { headline } from '../../../src/reports/notify/describe.ts';
import type { BuildEvent, Happening } from '../../../src/reports/notify/event.ts';
import { harmlessLine, renderEvent } from '../../../src/reports/notify/render-notification.ts';
import { someEvent } from '../../support/events.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const HAPPENINGS: readonly Happening[] = [
  { type: 'started', resumed: true },
  ...(['complete', 'unchanged', 'incomplete', 'gate-failed', 'failed', 'interrupted', 'recovered'] as const).map(
    (type) => ({ type }),
  ),
  { type: 'promoted', night: '20261120_01', reason: 'cycle 12' },
  { type: 'released', url: 'https://example.org/b/', notes: 'https://example.org/notes.md' },
  { type: 'withdrawn', release: '20261101_01', previous: '20261001_01', reason: 'hosts lose their network' },
  { type: 'key-expiring', key: 'F'.repeat(40), expires: '2026-12-01', days: 7 },
  { type: 'audit-finding', findings: [{ kind: 'changed', what: 'get/verify.sh', why: 'it has other bytes' }] },
  {
    type: 'dispute',
    dispute: '3f9c0a7b1d2e',
    task: false,
    source: 'a-1-1.src',
    packages: ['a-1-1.x86_64'],
    builders: ['alpha'],
  },
];

const EVIL = [
  '<img src=x onerror=alert(1)>',
  'a\r\nBcc: everybody@example.org',
  'b\u202egnp.exe\u0000\u001b[31m\u2028c',
  '{{product}} {{{commit}}} {{> x}} {{#if',
  '"><script>\'`&amp;',
] as const;

/** The same evil in every place that others write to. */
function evilEvent(evil: string): BuildEvent {
  return someEvent(
    { type: 'withdrawn', release: '20261101_01', previous: evil, reason: evil },
    {
      commit: evil,
      url: `https://example.org/${evil}`,
      failures: [{ step: evil, code: evil, message: evil, hint: evil }],
      changes: { summary: '1 added', packages: [{ name: evil, from: evil, to: evil }], more: 3 },
    },
  );
}

test('each event there is has a headline and renders as text and HTML', async () => {
  expect(HAPPENINGS.map(({ type }) => type)).toEqual([...BUILD_EVENT_TYPES]);
  const seen = new Set<string>();
  for (const what of [...HAPPENINGS, { type: 'test' } as const]) {
    const event = someEvent(what);
    seen.add(headline(event));
    expect(await renderEvent(event, 'text', undefined)).toContain(headline(event));
    expect(await renderEvent(event, 'html', undefined)).toMatch(/^<p><strong>mini/);
  }
  expect(seen.size).toBe(HAPPENINGS.length + 1);
});

test('the mail of a failed night says what failed, what to do and what changed', async () => {
  const changes = {
    summary: '2 upgraded',
    packages: [
      { name: 'app', from: '2.0-1', to: '2.0-2' },
      { name: 'x', to: '1' },
    ],
    more: 0,
  };
  expect(await renderEvent(someEvent({ type: 'failed' }, { changes, seconds: 65 }), 'text', undefined)).toBe(
    `mini nightly 20261121_01 failed in resolve.

resolve: The packages cannot be installed together:
  what to do: Wait.

"atomic-nightly log 20261121_01" shows what happened; once that is corrected, begin a new build.

Changes: 2 upgraded
  app 2.0-1 -> 2.0-2
  x (new) -> 1

Ref:    mini/x86_64/nightly
Took:   1 min 05 s
`,
  );
});

test.each(EVIL)('text that others wrote stays text: %j', async (evil) => {
  const event = evilEvent(evil);
  const [text, html] = [await renderEvent(event, 'text', undefined), await renderEvent(event, 'html', undefined)];
  const plain = await renderEvent(evilEvent('fine'), 'text', undefined);
  // No line, tag or character more than an honest event has, and no template tag was obeyed.
  expect(text.split('\n')).toHaveLength(plain.split('\n').length);
  for (const out of [text, html, headline(event).replace(evil, '')])
    expect(out).not.toMatch(/[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u);
  const tags = (markup: string) => markup.match(/<[^>]*>/g)?.map((tag) => tag.replace(/href="[^"]*"/, ''));
  expect(tags(html)).toEqual(tags(await renderEvent(evilEvent('fine'), 'html', undefined)));
  if (evil.startsWith('{{')) expect(text).toContain('{{product}} {{{commit}}} {{> x}} {{#if');
});

test('whatever a name is, a line stays a line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 900 }), (text) => {
      const line = harmlessLine(text);
      expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(line.length).toBeLessThanOrEqual(501);
    }),
    { numRuns: 40 },
  );
});

test('a template of the project is used; a value that there is not is an error with file and line', async () => {
  const own = join(temporaryFolder(), 'mine.hbs');
  writeFileSync(own, '{{build}} {{state}}\n{{#each failures}}{{step}}{{/each}}\n');
  expect(await renderEvent(someEvent(), 'text', own)).toBe('20261121_01 failed\nresolve\n');
  expect(await renderEvent(evilEvent('<b>'), 'html', own)).toContain('&lt;b&gt;');
  writeFileSync(own, 'fine\n{{bulid}}\n');
  await expect(renderEvent(someEvent(), 'text', own)).rejects.toMatchObject({
    code: 'config',
    place: { file: own, line: 2 },
  });
});

test('the templates come along with the package', () => {
  const { files } = JSON.parse(readFileSync('package.json', 'utf8')) as { files: string[] };
  expect(files).toContain('notify-templates');
  expect(readdirSync('notify-templates').sort()).toEqual(['matrix.html.hbs', 'message.txt.hbs']);
});
