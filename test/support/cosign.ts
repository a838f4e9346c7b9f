import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keyDigest, parseVkey } from '../../src/log/note-keys.ts';
import { run } from '../../src/programs/exec.ts';
import { oracle } from './oracles.ts';

/** The command lines of docs/attestations.md. */
export interface CosignCommands {
  /** With the statement alone. */
  readonly plain: string;
  /** With the bundle that has the log's proof as well. */
  readonly bundle: string;
}

/** Reads them from there. */
export async function cosignCommands(): Promise<CosignCommands> {
  const page = await readFile(new URL('../../docs/attestations.md', import.meta.url), 'utf8');
  const found = page.replaceAll('\\\n', '').match(/^cosign verify-blob-attestation .* lockfile\.json$/gm) ?? [];
  const [bundle, plain] = found;
  if (bundle?.includes('--bundle') && plain && found.length === 2) return { plain, bundle };
  throw new Error(`docs/attestations.md has other lines of cosign: ${found.join('; ')}`);
}

/** Runs such a line in a folder, with some of its words changed. Returns what it said, after `refused: ` if it failed. */
export async function cosignSays(
  folder: string,
  line: string,
  changes: readonly (readonly [string, string])[] = [],
): Promise<string> {
  let changed = line;
  for (const [from, to] of changes) changed = changed.replace(from, to);
  const { exitCode, stderr } = await run('sh', ['-c', changed.replace('cosign', oracle('cosign'))], {
    cwd: folder,
    // Nothing is looked up at sigstore's.
    env: { HOME: folder, TUF_ROOT: join(folder, 'tuf'), HTTPS_PROXY: 'http://127.0.0.1:9' },
    okExitCodes: [0, 1],
  });
  return exitCode === 0 ? (/Verified OK/.exec(stderr)?.[0] ?? stderr) : `refused: ${stderr}`;
}

/** A trusted root of sigstore's with one log in it, as whoever runs the log gives it away. */
export function trustedRoot(vkey: string): string {
  const key = parseVkey(vkey, { file: 'log-key' });
  return JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [
      {
        // Cosign takes the name of the log's key from here.
        baseUrl: `https://${key.name}`,
        hashAlgorithm: 'SHA2_256',
        publicKey: {
          rawBytes: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key.publicKey]).toString('base64'),
          keyDetails: 'PKIX_ED25519',
          validFor: { start: '2020-01-01T00:00:00Z' },
        },
        logId: { keyId: keyDigest(key).toString('base64') },
      },
    ],
    certificateAuthorities: [],
    ctlogs: [],
    timestampAuthorities: [],
  });
}
