import { expect, test } from 'vitest';
import { repositoryFiles, repositoryText } from '../support/repository.ts';

/** Who may have bytes signed, and why they are not somebody else's (I12). */
const SIGNS: Readonly<Record<string, string>> = {
  'src/publish/log/sign-openpgp.ts': 'the text of a checkpoint whose signature by our own log key was just verified',
  'src/publish/publish-files.ts': 'updateRecord: made of what somebody vouches for, or anew',
  'src/publish/flip.ts': 'the summary: made of one that somebody vouches for, or of commits that are ours or signed',
  'src/steps/promote/promote-keep.ts': 'promoted.json: as updateRecord, in one swap with prune.json',
  'src/publish/sign-commit.ts': 'a commit of the local repository',
  'src/steps/images/shared-record.ts': 'what was there is verified before it is merged',
  'src/steps/deliver/sign-files.ts': 'files of the work folder',
  'src/steps/deliver/sign-builds.ts': 'files of the work folder, and images that have the digest of its SHA256SUMS',
  'src/attest/sign-statement.ts':
    'a statement that is made here: of records in the work folder, of what was composed here, of results that were verified, of what people said',
  'src/steps/release/release-notes.ts': 'texts that are made here',
  'src/steps/release/package-repository.ts': 'hands the signer over to renewMetadata',
  'src/rpm/repository/renew-metadata.ts': 'metadata that is made here, of packages whose digests were compared',
  'src/log/checkpoint.ts': 'the form of a checkpoint: whoever has it signed knows the tree',
  'src/log/cosignature.ts': 'the form of a cosignature: whoever has it made checked the checkpoint',
  'src/steps/release/package-make.ts': 'a package that is made here',
};

const calls = /(?<!Math)\.sign\(/;

test('I12: nothing is signed but where it is known that it comes from our own records', async () => {
  const paths = (await repositoryFiles(['src'])).filter(
    (path) => path.endsWith('.ts') && !path.startsWith('src/signing/'),
  );
  expect(paths.length).toBeGreaterThan(300);
  const found = await Promise.all(
    paths.map(async (path) => {
      const lines = (await repositoryText(path)).split('\n').filter((line) => !/^\s*(?:\*|\/\/|\/\*)/.test(line));
      return lines.some((line) => calls.test(line)) ? [path] : [];
    }),
  );
  // A new one belongs into updateRecord, or here with its reason; one that signs no more leaves the list.
  expect(found.flat().sort()).toEqual(Object.keys(SIGNS).sort());
});
