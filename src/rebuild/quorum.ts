import type { JudgedResult } from './standings.ts';

/** A package as a quorum is asked for. */
export interface AskedPackage {
  readonly nevra: string;
  /** SHA-256 of its immutable header. */
  readonly header: string;
}

/** A package with the operators that built it the same, sorted. */
export interface AgreedPackage extends AskedPackage {
  readonly operators: readonly string[];
  /** Jobs of the results that count. */
  readonly jobs: readonly string[];
}

/**
 * Returns who built each package, by accepted results alone: a package is what its header says, whoever signed the file, and a
 * disputed or scratch result says nothing (I18). Several machines of one operator are one word.
 */
export function agreementOn(packages: readonly AskedPackage[], judged: readonly JudgedResult[]): AgreedPackage[] {
  const found = new Map<string, { readonly operators: Set<string>; readonly jobs: Set<string> }>();
  for (const { result, standing, operators } of judged) {
    if (standing !== 'accepted') continue;
    for (const { header } of result.packages) {
      const one = found.get(header) ?? { operators: new Set(), jobs: new Set() };
      for (const operator of operators) one.operators.add(operator);
      one.jobs.add(result.job);
      found.set(header, one);
    }
  }
  return packages.map((asked) => {
    const { operators = new Set<string>(), jobs = new Set<string>() } = found.get(asked.header) ?? {};
    return { ...asked, operators: [...operators].sort(), jobs: [...jobs].sort() };
  });
}
