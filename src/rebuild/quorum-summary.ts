import { type Subject, statementBytes } from '../attest/statement.ts';
import { VERSION } from '../base/version.ts';

/** Says what the levels of a summary mean: docs/rebuilds.md. */
const QUORUM_POLICY = 'urn:atomic-nightly:quorum:1';

/** What a quorum says. */
export interface QuorumFacts {
  readonly subjects: readonly Subject[];
  /** URI of whoever answers for the verdict. */
  readonly verifier: string;
  /** URI of what was asked for. */
  readonly resource: string;
  /** How many operators had to agree. */
  readonly quorum: number;
  /** SHA-256 of the statements that it goes by, with the names of their jobs. */
  readonly inputs: readonly { readonly job: string; readonly sha256: string }[];
  readonly passed: boolean;
  /** Seconds since 1970. */
  readonly at: number;
}

/** Returns the in-toto statement of a verification summary. Format: https://slsa.dev/spec/v1.1/verification_summary */
export function quorumSummary({ subjects, verifier, resource, quorum, inputs, passed, at }: QuorumFacts): Buffer {
  return statementBytes(subjects, 'https://slsa.dev/verification_summary/v1', {
    verifier: { id: verifier, version: { 'atomic-nightly': VERSION } },
    timeVerified: new Date(at * 1000).toISOString(),
    resourceUri: resource,
    policy: { uri: QUORUM_POLICY, annotations: { quorum } },
    inputAttestations: inputs.map(({ job, sha256 }) => ({
      uri: `urn:atomic-nightly:job:${job}`,
      digest: { sha256 },
    })),
    verificationResult: passed ? 'PASSED' : 'FAILED',
    verifiedLevels: passed ? [`ATOMIC_NIGHTLY_REBUILT_BY_${quorum}`] : [],
    slsaVersion: '1.1',
  });
}
