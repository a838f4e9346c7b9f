import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import type { StreamConfig } from '../../config/config.ts';
import type { ImageTemplate } from '../../images/template/image-template.ts';
import { loadImageTemplate } from '../../images/template/load-template.ts';
import { templateValues } from '../../images/template/template-values.ts';
import { buildFolder } from '../../published/paths.ts';
import type { RecordSigning, RecordTrust } from '../../published/record-trust.ts';
import type { Project } from '../../run/project.ts';
import type { Signer } from '../../signing/signer.ts';
import type { Target } from '../../targets/target.ts';
import { type PublishedBuilds, publishedBuilds } from './published-builds.ts';
import { recordTrust } from './record-trust.ts';

/** What of a stream its pointers are made from; a project has it. */
export type PointerPlace = Pick<Project, 'config' | 'stream' | 'ref' | 'testedRef' | 'signer'>;

/**
 * Returns how a record of a target is signed and, where nobody vouches for what is there, made anew; undefined where the stream
 * does not sign.
 * @param anew makes it of builds whose records are ours or signed; undefined where they have nothing for it
 */
export function recordSigning<Value>(
  { config, signer }: Pick<PointerPlace, 'config' | 'signer'>,
  target: Target,
  anew: (builds: PublishedBuilds, task: Task) => Promise<Value | undefined>,
  task: Task,
): RecordSigning<Value> | undefined {
  if (!signer) return undefined;
  const signing = targetSigning({ config, signer }, target.name, task);
  const { trust } = signing;
  return {
    ...signing,
    anew: async (within) => anew(await publishedBuilds(config.work, { target, trust }, within), within),
  };
}

/** Who signs on a target, by its name, and who judges what is there. */
export function targetSigning(
  { config, signer }: { readonly config: Parameters<typeof recordTrust>[0]; readonly signer: Signer },
  target: string,
  task: Task,
): { readonly signer: Signer; readonly trust: RecordTrust } {
  const trust = recordTrust(config, target, task);
  if (!trust) throw new NightlyError('bug', `No stream of target "${target}" signs, and one does.`);
  return { signer, trust };
}

/** Images of a build that a target still has, with the types that the stream configures them by. */
export interface OfferedImages {
  readonly meta: BuildMeta;
  /** URL of the build's folder. */
  readonly folder: string;
  readonly images: readonly {
    readonly template: ImageTemplate;
    readonly image: NonNullable<BuildMeta['images']>[string];
  }[];
}

/**
 * Returns the images that a target has of a stream's builds, oldest first, but for those that were taken back. @throws
 * NightlyError `config`, `image`.
 */
export async function offeredImages(
  { config, stream, ref }: Pick<PointerPlace, 'config' | 'stream' | 'ref'>,
  builds: PublishedBuilds,
  target: Target,
): Promise<OfferedImages[]> {
  const offered = builds.there.filter((meta) => isOffered(meta, stream));
  const found: OfferedImages[] = [];
  for (const meta of offered) {
    const values = templateValues(config, stream, ref, meta.buildid);
    const there = Object.entries(builds.imagesOf(meta)).filter(([name]) => stream.images.includes(name));
    const images = await Promise.all(
      there.map(async ([name, image]) => ({
        template: await loadImageTemplate(name, config.imageTemplates, values),
        image,
      })),
    );
    const folder = `${target.publicUrl}/${buildFolder(meta.buildid, meta.basearch)}`;
    if (images.length > 0) found.push({ meta, folder, images });
  }
  return found;
}

const isOffered = ({ stream, retracted, release }: BuildMeta, { name }: StreamConfig): boolean =>
  stream === name && retracted === undefined && release?.withdrawn === undefined;
