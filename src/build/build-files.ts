/** The names of a build's files in its folder, in the work folder and on targets alike (docs/formats.md). */

/** The record of the build. */
export const RECORD_FILE = 'meta.json';

/** What the command that made a tree reported of it (src/engines/folder/provenance-report.ts); only in the work folder. */
export const REPORT_FILE = 'provenance-report.json';

/** What the tree is made of: the bytes that the tree itself has (src/engines/provenance/). */
export const PROVENANCE_FILE = 'provenance.json';

/** Checksum of the file and key of the signature of each RPM package, whether or not the tree has them too. */
export const SIGNATURES_FILE = 'signatures.json';

/** Which advisories the package changes of the build bring (src/build/build-advisories.ts). */
export const ADVISORIES_FILE = 'advisories.json';

/** What this machine last logged of the build (src/steps/log/log-build.ts); only in the work folder. */
export const LOGGED_FILE = 'logged.json';

/** The copy of the treefile with all its files. */
export const TREEFILE_ARCHIVE = 'treefile.tar.gz';

/** The tree's bill of materials, in CycloneDX (src/attest/sbom.ts). */
export const SBOM_FILE = 'sbom.cdx.json';

/** Signed statement of what the tree was made from, by whom and how (src/attest/). */
export const STATEMENT_FILE = 'provenance.intoto.jsonl';

/** The same with the proof that a Rekor log has its signature, as a sigstore bundle (src/attest/sigstore-bundle.ts). */
export const BUNDLE_FILE = 'provenance.sigstore.json';

/** The proof that a Sigsum log has the statement, named as Sigsum's own programs do. */
export const SIGSUM_FILE = `${STATEMENT_FILE}.proof`;

/** Signed verification summary of a promotion: how many operators built its packages the same; only in the work folder. */
export const QUORUM_FILE = 'rebuild-summary.intoto.jsonl';

/** Results of the SIG's own tests (src/build/tests-record.ts). */
export const TESTS_FILE = 'tests.json';

/** How far the build is from upstream (src/build/upstream-record.ts); only in the work folder. */
export const UPSTREAM_FILE = 'upstream.json';

/** Folder with the artifacts of these tests, by image type and test; only in the work folder. */
export const TESTS_FOLDER = 'tests';

/** Returns the name of the signed statement of what an image was made from; it lies beside the image. */
export const imageStatementName = (image: string): string => `${image}.intoto.jsonl`;

/** Folder with the statements of others who composed the build again (src/attest/compose-rebuild.ts). */
export const REBUILDS_FOLDER = 'rebuilds';

/** SHA-256 of every file of the build that never changes, as `sha256sum -c` reads it. */
export const SUMS = 'SHA256SUMS';
