import { basename, join } from 'node:path';
import { sha256, sha256File } from '../base/files.ts';
import { dearmored } from '../base/openpgp-packets.ts';
import { PROJECT } from '../base/shipped.ts';
import type { DebDownload } from '../programs/apt.ts';
import type { LabKey } from './lab-keys.ts';
import { ABSENT_PACKAGES, extrasOf, rpmName, SIG_PACKAGES } from './lab-packages.ts';
import type { LabState } from './lab-state.ts';
import { overlayDigest, RECIPE, type RpmSource } from './make-rpm.ts';
import { OWN_PACKAGES, RELEASE_PACKAGE, REMOTE_PACKAGE } from './own-packages.ts';

export type LabRepo = 'lab-base' | 'lab-sig-atomic';
export const LAB_REPOS: readonly LabRepo[] = ['lab-base', 'lab-sig-atomic'];

/** One RPM the lab is to have. Equal keys mean equal content. */
export interface PlannedRpm {
  readonly name: string;
  readonly repo: LabRepo;
  readonly key: string;
  readonly source: RpmSource;
}

/** Returns every RPM of the lab, by its state; nothing is built. */
export async function planRpms(
  state: LabState,
  debs: readonly DebDownload[],
  archives: string,
  key: LabKey,
): Promise<readonly PlannedRpm[]> {
  const removed = new Set(state.removed);
  const planned = [
    ...(await Promise.all(debs.map((deb) => planDeb(join(archives, deb.file), `${deb.file} ${deb.hash}`, state)))),
    ...(await Promise.all(state.debs.map(async (deb) => planDeb(deb, await sha256File(deb), state)))),
    ...(await Promise.all(OWN_PACKAGES.map((own) => planOwn(own, state, key)))),
  ];
  return planned.filter(({ name }) => !removed.has(name));
}

async function planDeb(deb: string, hash: string, state: LabState): Promise<PlannedRpm> {
  const debName = basename(deb).split('_')[0] ?? basename(deb);
  const name = rpmName(debName);
  const bump = state.updates[name] ?? 0;
  return {
    name,
    repo: SIG_PACKAGES.has(name) ? 'lab-sig-atomic' : 'lab-base',
    key: sha256(
      JSON.stringify([
        ...[RECIPE, hash, updateKey(bump), ABSENT_PACKAGES, extrasOf(debName), await overlayDigest(debName)],
        // Numbers of owners become names by its accounts.
        await overlayDigest('setup'),
      ]),
    ),
    source: { kind: 'deb', deb, bump },
  };
}

/** Part of a key: an update has a changelog, and what was never updated has the RPM that it always had. */
const updateKey = (bump: number): number | string => (bump === 0 ? 0 : `${bump} with a changelog`);

async function planOwn(own: (typeof OWN_PACKAGES)[number], state: LabState, key: LabKey): Promise<PlannedRpm> {
  const bump = state.updates[own.name] ?? 0;
  const variables = { publicUrl: state.publicUrl.replace(/\/+$/, '') };
  const generated = generatedFiles(own.name, key);
  const inputs = [
    RECIPE,
    own,
    updateKey(bump),
    variables,
    generated.map(([path, content]) => [path, sha256(content)]),
    await overlayDigest(own.name),
    await Promise.all(own.copies.map(([from]) => sha256File(join(PROJECT, from)))),
  ];
  return {
    name: own.name,
    repo: own.repo,
    key: sha256(JSON.stringify(inputs)),
    source: { kind: 'own', own, bump, generated, variables },
  };
}

/** Files of a package that hold the lab's key: path and content. */
function generatedFiles(name: string, { publicText }: LabKey): readonly (readonly [string, string | Uint8Array])[] {
  switch (name) {
    case RELEASE_PACKAGE:
      return [['etc/pki/rpm-gpg/RPM-GPG-KEY-lab', publicText]];
    case REMOTE_PACKAGE:
      return [['usr/share/ostree/trusted.gpg.d/lab-atomic.gpg', dearmored(Buffer.from(publicText))]];
    default:
      return [];
  }
}
