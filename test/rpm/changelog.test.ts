import { expect, test } from 'vitest';
import { changelogLines, newerEntries } from '../../src/rpm/changelog.ts';
import { parseOther } from '../../src/rpm/other-metadata.ts';

const entry = (day: number, text: string) => ({ time: 1_767_268_800 + day * 86_400, author: 'Jo', text });

test('what is new in a changelog lies above the newest entry that the older one has', () => {
  const old = [entry(1, '- one'), entry(0, '- zero')];
  // Two of one day: the older package has only the lower one.
  expect(newerEntries([entry(2, '- b'), entry(1, '- a'), ...old], old)).toEqual([entry(2, '- b'), entry(1, '- a')]);
  // Rewritten since: by the day.
  expect(newerEntries([entry(2, '- b'), entry(1, '- One')], old)).toEqual([entry(2, '- b')]);
  expect(newerEntries(old, [])).toEqual(old);
  expect(newerEntries(old, old)).toEqual([]);
  expect(newerEntries(old, undefined)).toEqual([entry(1, '- one')]);
  expect(changelogLines(entry(0, '- a\n- b'))).toEqual(['* Thu Jan 01 2026 Jo', '- a', '- b']);
});

test('other.xml has the changelogs of the packages that are asked for, the newest first', () => {
  const one = (name: string, ver: string) =>
    `<package pkgid="x" name="${name}" arch="noarch"><version epoch="1" ver="${ver}" rel="2"/><changelog author="Jo &lt;a@b&gt; - 1" date="10">- first</changelog><changelog author="Jo" date="20">- second\n- third</changelog></package>`;
  const xml = `<otherdata packages="3">${one('app', '1')}${one('app', '2')}${one('lib', '1')}</otherdata>`;
  const found = parseOther(xml, new Set(['app-1:1-2.noarch', 'gone-1-1.noarch']));
  expect([...found]).toEqual([
    [
      'app-1:1-2.noarch',
      [
        { time: 20, author: 'Jo', text: '- second\n- third' },
        { time: 10, author: 'Jo <a@b> - 1', text: '- first' },
      ],
    ],
  ]);
  expect(() => parseOther(xml.replaceAll('date="20"', 'date="soon"'), new Set(['app-1:1-2.noarch']))).toThrow(
    'has the time',
  );
});
