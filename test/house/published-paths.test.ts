import { expect, test } from 'vitest';
import { repositoryFiles, repositoryText } from '../support/repository.ts';

/** Where paths of targets and names of a build's files may be spelled: their home, and what is about any file at all. */
const HOMES = [
  /^src\/(?:published|build)\//,
  // Keeps a file behind its signature, whoever's it is.
  'src/targets/signed-pairs.ts',
  // dnf's name for the signature of a repository's metadata.
  'src/rpm/repository/renew-metadata.ts',
  // Media types by suffix.
  'src/base/content-types.ts',
  // Keys, not signatures.
  'src/rpm/check-signatures.ts',
  'src/steps/release/release-notes.ts',
];

const SPELLED =
  /\.asc['`]|SHA256SUMS['`]|['/`]meta\.json['`]|\/(?:builds|retired|promoted|tested|latest|releases)\.json['`]|['`](?:streams|vagrant|builds)\/\$\{/;

test('a path or suffix of a target is spelled in src/published/ alone', async () => {
  const paths = (await repositoryFiles(['src'])).filter(
    (path) => path.endsWith('.ts') && !HOMES.some((home) => (home instanceof RegExp ? home.test(path) : home === path)),
  );
  expect(paths.length).toBeGreaterThan(300);
  const found = await Promise.all(
    paths.map(async (path) =>
      (await repositoryText(path)).split('\n').flatMap((line, index) => {
        const match = /^\s*(?:\*|\/\/|\/\*)/.test(line) ? null : SPELLED.exec(line);
        return match ? [`${path}:${index + 1}: ${match[0]}`] : [];
      }),
    ),
  );
  expect(found.flat()).toEqual([]);
});
