import { NightlyError } from '../base/errors.ts';
import { keyfileGroup } from '../ostree/keyfile.ts';
import type { Target } from '../targets/target.ts';
import type { Heads } from './heads.ts';
import { summaryCollection } from './summary.ts';

/** `repo/config` of a repository that is made from here. */
export const CONFIG = '[core]\nrepo_version=1\nmode=archive-z2\ntombstone-commits=true\n';

/**
 * Refuses a repository that somebody keeps in a way that a publish from here would break for its clients: known before there is
 * a commit to publish.
 * @param found `signs`: whether a new summary would be signed
 * @throws NightlyError `unsupported`
 */
export function refuseForeign(
  { config, summary, signature, signs }: Pick<Heads, 'config' | 'summary' | 'signature'> & { readonly signs: boolean },
  target: Pick<Target, 'name'>,
): void {
  const text = config && new TextDecoder().decode(config);
  const mode = coreOf(config).get('mode') ?? 'bare';
  if (text !== undefined && mode !== 'archive' && mode !== 'archive-z2') {
    throw foreign(target, 'is not in archive mode, so it cannot be served over HTTP', 'Publish to another folder.');
  }
  if (signature && !signs) {
    throw foreign(
      target,
      'has a signed summary, and a new one from here would not be',
      'Add "signing" to the stream or publish to another folder; or remove summary.sig there and gpg-verify-summary from the clients.',
    );
  }
  if (text !== undefined && text !== CONFIG && !summary) {
    throw foreign(
      target,
      'has no summary, and one that names only what comes from here would hide its other refs',
      'Run "ostree summary --update" in it once, then run again.',
    );
  }
}

/**
 * Refuses a repository with a collection id that a commit is not bound to.
 * @param found `bound`: the collection that the commit names as its own
 * @throws NightlyError `unsupported`
 */
export function refuseCollection(
  { config, summary, bound }: Pick<Heads, 'config' | 'summary'> & { readonly bound: string | undefined },
  target: Pick<Target, 'name'>,
): void {
  const collection = coreOf(config).get('collection-id') || (summary && summaryCollection(summary));
  if (!collection || collection === bound) return;
  throw foreign(
    target,
    `has the collection id ${collection}: its clients take only commits that are bound to it, and this one is ${bound === undefined ? 'not' : `bound to ${bound}`}`,
    'Publish to another folder, or remove collection-id from repo/config there and from the remotes of its clients.',
  );
}

const coreOf = (config: Uint8Array | undefined) => keyfileGroup(new TextDecoder().decode(config), 'core');

const foreign = (target: Pick<Target, 'name'>, what: string, hint: string): NightlyError =>
  new NightlyError('unsupported', `The repository on target "${target.name}" ${what}.`, { hint });
