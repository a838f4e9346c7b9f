/** A file, package or source that a statement names: https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md */
export interface Resource {
  readonly name?: string;
  readonly uri?: string;
  /** Hex by algorithm, such as `sha256`. */
  readonly digest?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

/** What a statement is about: its name and digest. */
export interface Subject {
  readonly name: string;
  readonly digest: Readonly<Record<string, string>>;
}

/** What is said of a build. */
export interface BuildFacts {
  /** Says what the parameters mean: one of those in docs/attestations.md. */
  readonly buildType: string;
  readonly subjects: readonly Subject[];
  /** What people asked for, as far as they could. */
  readonly externalParameters: Readonly<Record<string, unknown>>;
  /** What the program chose by itself. */
  readonly internalParameters: Readonly<Record<string, unknown>>;
  /** What it was made from. */
  readonly dependencies: readonly Resource[];
  /** URI of whoever runs the builds and answers for them. */
  readonly builder: string;
  /** Versions of the programs that made it. */
  readonly versions: Readonly<Record<string, string>>;
  readonly invocation: string;
  /** RFC 3339, UTC. */
  readonly startedOn: string;
  readonly finishedOn: string;
  /** What else came of it. */
  readonly byproducts?: readonly Resource[];
}

/** What every statement begins with: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md */
export const STATEMENT = 'https://in-toto.io/Statement/v1';

/** Returns the bytes of an in-toto statement, version 1. @param predicateType URI that says what the predicate means */
export function statementBytes(subject: readonly Subject[], predicateType: string, predicate: object): Buffer {
  return Buffer.from(JSON.stringify({ _type: STATEMENT, subject, predicateType, predicate }));
}

export const BUILD_TYPE = 'urn:atomic-nightly:build:1';
export const IMAGE_BUILD_TYPE = 'urn:atomic-nightly:image:1';

/**
 * Returns the in-toto statement, version 1, with the SLSA provenance of a build, version 1.
 * Format: https://slsa.dev/spec/v1.1/provenance
 */
export function provenanceStatement(facts: BuildFacts): Buffer {
  return statementBytes(facts.subjects, 'https://slsa.dev/provenance/v1', {
    buildDefinition: {
      buildType: facts.buildType,
      externalParameters: facts.externalParameters,
      internalParameters: facts.internalParameters,
      resolvedDependencies: facts.dependencies,
    },
    runDetails: {
      builder: { id: facts.builder, version: facts.versions },
      metadata: { invocationId: facts.invocation, startedOn: facts.startedOn, finishedOn: facts.finishedOn },
      byproducts: facts.byproducts,
    },
  });
}
