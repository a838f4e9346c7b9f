import { Turns } from '../base/turns.ts';
import { cosign } from '../log/cosignature.ts';
import { formatNote, parseNote, signatureLine } from '../log/note.ts';
import type { NoteKey, NoteSigner } from '../log/note-keys.ts';
import { judgeCheckpoint, readRequest, type Verdict } from './judge-checkpoint.ts';
import type { WitnessState } from './witness-state.ts';

/** What a witness answers. */
export type CosignOutcome =
  /** @param lines signature lines, for the answer */
  { readonly kind: 'cosigned'; readonly lines: string } | Exclude<Verdict, { kind: 'consistent' }>;

/** A witness at work. */
export interface Witness {
  /** Answers a request; what it cosigned is on disk by then. */
  cosign(body: Uint8Array): Promise<CosignOutcome>;
  /** The checkpoint that was cosigned last. @param hex SHA-256 of the log's origin */
  checkpoint(hex: string): string | undefined;
  /** Resolves once nothing is under way. */
  settled(): Promise<void>;
}

/**
 * Starts a witness. Requests for one log are worked on one after another: between the look at what was cosigned last and the moment
 * the next is on disk nobody else can come in.
 * @param logs keys by origin
 */
export function startWitness(
  signer: NoteSigner,
  logs: ReadonlyMap<string, readonly NoteKey[]>,
  state: WitnessState,
): Witness {
  const turns = new Turns();
  return {
    checkpoint: (hex) => state.checkpoint(hex),
    settled: () => turns.settled(),
    async cosign(body) {
      const request = readRequest(body, logs);
      if (request.kind !== 'known') return request;
      const { origin, checkpoint } = request;
      return turns.take(origin, async (): Promise<CosignOutcome> => {
        const verdict = judgeCheckpoint(request, state.last(origin));
        if (verdict.kind !== 'consistent') return verdict;
        const { text, tree } = verdict;
        const signature = cosign(text, Math.floor(Date.now() / 1000), signer);
        // Only what was verified is kept and served: the signatures of the log, not what else stood there.
        const { signatures } = parseNote(Buffer.from(checkpoint), { file: 'request' });
        const own = signatures.filter((one) => request.keys.some((key) => key.name === one.name && key.id === one.id));
        await state.keep(origin, tree, formatNote({ text, signatures: [...own, signature] }));
        return { kind: 'cosigned', lines: signatureLine(signature) };
      });
    },
  };
}
