import type { FilePurpose } from '../base/secret-file.ts';

/** Returns what a key or passphrase file is for, wherever it is named. @param what as in `private key` */
export function signingFile(what: string): FilePurpose {
  return {
    what,
    code: 'signing',
    exposed: 'make a new key: docs/signing.md',
    missing: 'Correct its path where it is named, in the configuration or on the command line, or put the file there.',
  };
}
