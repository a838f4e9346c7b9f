import type { FilePurpose } from '../base/secret-file.ts';

/** Returns a file that is named under `signing`. @param what as in `private key` */
export function signingFile(what: string): FilePurpose {
  return {
    what,
    code: 'signing',
    exposed: 'make a new key: docs/signing.md',
    missing: 'Correct its path under "signing" in the configuration, or put the file there.',
  };
}
