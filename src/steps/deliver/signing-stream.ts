import type { StreamRefs } from '../../run/streams-on.ts';
import type { Signer } from '../../signing/signer.ts';

/** A stream that signs, with a signer for each of its keys. */
export interface SigningStream extends StreamRefs {
  readonly signers: readonly Signer[];
}
