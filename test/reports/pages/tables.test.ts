import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const folder = fileURLToPath(new URL('../../../page-templates', import.meta.url));
const templates = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.hbs'))
  .map((path) => ({ path, text: readFileSync(join(folder, path), 'utf8') }));

/** A calendar has as many columns on any screen, and fits. */
const TABLE = /^(<div class="wide"[^>]* tabindex="0"[^>]*>\n)?<table(?![^>]*calendar)[^>]*>.*?<\/table>/gms;

test.each(templates)('$path: a table scrolls by itself, with a shadow where it goes on', ({ text }) => {
  for (const [, wide] of text.matchAll(TABLE)) expect(wide).toBeDefined();
});

test.each(templates)('$path: each value of a table that becomes cards on a phone has its label', ({ text }) => {
  // The tables of builds are sentences there.
  for (const [table] of text.matchAll(TABLE)) {
    if (!/<table[^>]*"cards"/.test(table)) continue;
    const row = table.slice(table.indexOf('<tbody>'));
    expect(row.match(/<td\b(?![^>]*data-label)/g) ?? []).toEqual([]);
  }
});

test('the packages of a build are cards on a phone: nothing of them is beyond the edge', () => {
  const { text = '' } = templates.find(({ path }) => path.endsWith('packages.hbs')) ?? {};
  expect(text).toContain('<table class="cards">');
  // A label of nothing is not shown: only an empty cell is left out.
  for (const side of ['from', 'to']) expect(text).toContain(`{{#if ${side}}}<code>{{${side}}}</code>{{/if}}</td>`);
});
