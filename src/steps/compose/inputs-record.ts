import { VERSION } from '../../base/version.ts';
import type { InputsRecord } from '../../build/build-record.ts';
import { ostreeVersion } from '../../programs/ostree.ts';
import type { RepositoryState } from '../../rpm/repomd.ts';
import type { Resolved } from './resolve.ts';

/** Returns what a build's record says of its inputs beside what its tree says itself. */
export async function inputsRecord(
  states: readonly RepositoryState[],
  { checkout }: Pick<Resolved, 'checkout'>,
): Promise<InputsRecord> {
  const repositories = states.map(({ id, url, sha256, generated }) => {
    return [id, { url, repomd: sha256, generated: new Date(generated * 1000).toISOString() }] as const;
  });
  return {
    repositories: Object.fromEntries(repositories),
    ...(checkout === undefined ? {} : { checkout }),
    programs: await programs(),
  };
}

/** Returns the versions of the programs that make trees now, beside the engine. */
export async function programs(): Promise<InputsRecord['programs']> {
  return { atomicNightly: VERSION, ostree: await ostreeVersion() };
}
