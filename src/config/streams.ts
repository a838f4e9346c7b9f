import { z } from 'zod';
import { architectureSchema, hostArchitecture } from './architecture.ts';
import { attestationsSchema, attestationsTemplate } from './attestations.ts';
import { block, type Filled, type Here } from './block.ts';
import { type EngineConfig, streamEngineSchema, type TreeTemplate, treeTemplate } from './engine.ts';
import { guestTestsSchema, guestTestsTemplate } from './guest-tests.ts';
import { fillSmokeTest, imagesSchema, imagesTemplate, type SmokeTestConfig, smokeTestSchema } from './images.ts';
import { type ReleaseConfig, releaseKeys, releaseTemplate } from './release.ts';
import { releasePackageSchema, releasePackageTemplate } from './release-package.ts';
import { scheduleSchema, scheduleTemplate } from './schedule.ts';
import { signingSchema, signingTemplate } from './signing.ts';
import { age, filePath, httpUrl, refName, repoUrl, someOf, substituteBasearch, word } from './values.ts';

/** Makes the schema of one of the `streams`. */
export const streamSchema = (here: Here) =>
  block(
    {
      treefile: filePath(here)
        .optional()
        .describe(
          'What a nightly build is composed from; a release stream uses that of its nightly builds. The engines checkout and command have none.',
        ),
      engine: streamEngineSchema(here),
      ...releaseKeys(here),
      ref: refName.optional().describe("Instead of the treefile's ref; the variable basearch is replaced."),
      bootable: z
        .boolean()
        .optional()
        .describe(
          'For the engines checkout and command: the tree must have a kernel with its initramfs; default: whether there are images.',
        ),
      arch: architectureSchema.optional().describe("Default: the host's."),
      seed: block({
        url: repoUrl.optional().describe("The published repo to follow; default: the first target's url + /repo."),
        'allow-new': z.boolean().default(false).describe('Start a new repo when there is none at that URL.'),
        'gpg-keys': z
          .array(filePath(here))
          .prefault([])
          .describe(
            'Public keys; with any, the last commit must be signed by one. In a stream that signs its own key counts too, and unless this machine made that commit, one is needed.',
          ),
      }).prefault({}),
      targets: someOf(z.string(), 'needs at least one target'),
      remote: block({
        name: word.optional().describe('Default: the name at the top of this file.'),
        url: httpUrl.optional().describe("Default: the first target's url + /repo."),
      })
        .prefault({})
        .describe('The OSTree remote that images are configured with.'),
      'os-name': word.optional().describe('The stateroot on hosts; default: the name at the top of this file.'),
      images: imagesSchema,
      'image-prefix': word.optional().describe('Start of image file names; default: the name at the top of this file.'),
      'smoke-test': smokeTestSchema,
      tests: guestTestsSchema(here).optional(),
      'tested-ref': refName
        .optional()
        .describe('Moved when the smoke test has passed; default: the ref and "-tested".'),
      'vagrant-box': word
        .optional()
        .describe('Name of the box and its catalogue; default: the name above, "-", the stream.'),
      'allow-downgrades': z.array(z.string().min(1)).default([]).describe('Names of packages that may go back.'),
      'max-metadata-age': age.optional().describe('Older repository metadata stops the run, as in 36h or 14d.'),
      provenance: block({
        signatures: z
          .boolean()
          .default(false)
          .describe(
            'Put the checksum of each RPM file and the key that signed it into the tree, so that a package that is signed again makes a new build.',
          ),
      })
        .optional()
        .describe('What the tree says of what it is made of; a release stream has that of its nightly builds.'),
      signing: signingSchema(here),
      attestations: attestationsSchema(here),
      deltas: z
        .array(z.union([z.enum(['parent', 'scratch']), block({ ref: refName })]))
        .prefault([])
        .describe('Static deltas to the new commit: from its parent, from scratch, from what another ref names.'),
      'release-package': releasePackageSchema(here).optional(),
      retention: block({
        builds: z.int().min(1).default(30).describe('Local build records and images kept.'),
      }).prefault({}),
      schedule: scheduleSchema.optional(),
    },
    { 'max-metadata-age': 'maxMetadataAgeSeconds', release: 'to' },
  );

/** A stream as it was written, with the defaults that do not depend on other values. */
export type WrittenStream = z.output<ReturnType<typeof streamSchema>>;

type FromPromotion = 'promotesFrom' | 'rpmKeys' | 'approvals' | 'rebuilds' | 'rebuild' | 'cycle' | 'to';
type Deep = 'seed' | 'remote' | 'smokeTest';
type FromOthers = 'treefile' | 'engine' | 'bootable' | 'arch' | 'osName' | 'imagePrefix' | 'vagrantBox' | 'provenance';

/**
 * A stream as the program uses it. Refs have their architecture filled in; `treefile` of a release stream is that of the
 * stream it is fed from; the first target is where verification and defaults look.
 */
export type StreamConfig = Filled<Omit<WrittenStream, FromPromotion | Deep>, FromOthers> & {
  readonly name: string;
  /** What makes this a release stream, fed by promotion only; undefined for a nightly stream. */
  readonly release?: ReleaseConfig;
  readonly seed: Filled<WrittenStream['seed'], 'url'>;
  readonly remote: Filled<WrittenStream['remote'], 'url' | 'name'>;
  readonly smokeTest: false | SmokeTestConfig;
};

/** What a stream takes its defaults from. */
interface Around {
  /** Name of the distribution. */
  readonly product: string;
  readonly streams: Readonly<Record<string, WrittenStream>>;
  readonly targets: Readonly<Record<string, { readonly url: string }>>;
  readonly engine: EngineConfig;
}

/** Fills in what depends on other values of the file, all of which have passed the rules. */
export function fillStream(
  written: WrittenStream,
  name: string,
  { product, streams, targets, engine }: Around,
): StreamConfig {
  const { promotesFrom, rpmKeys, approvals, rebuilds, rebuild, cycle, to, ...own } = written;
  const release: ReleaseConfig | undefined =
    promotesFrom === undefined
      ? undefined
      : {
          ...{ promotesFrom, rpmKeys: rpmKeys ?? [], approvals, rebuilds },
          ...(rebuild && { rebuild }),
          ...(cycle && { cycle }),
          ...(to && { to }),
        };
  const source = streams[promotesFrom ?? ''];
  const arch = own.arch ?? source?.arch ?? hostArchitecture();
  const repo = `${targets[own.targets[0]]?.url ?? ''}/repo`;
  return {
    ...own,
    name,
    ...(release && { release }),
    treefile: source?.treefile ?? own.treefile ?? '',
    engine: own.engine ?? source?.engine ?? engine,
    provenance: source?.provenance ?? own.provenance ?? { signatures: false },
    bootable: own.bootable ?? source?.bootable ?? (own.images.length > 0 || (source?.images.length ?? 0) > 0),
    ...(own.ref !== undefined && { ref: substituteBasearch(own.ref, arch) }),
    arch,
    seed: { ...own.seed, url: own.seed.url ?? repo },
    remote: { name: own.remote.name ?? product, url: own.remote.url ?? repo },
    osName: own.osName ?? product,
    imagePrefix: own.imagePrefix ?? product,
    vagrantBox: own.vagrantBox ?? `${product}-${name}`,
    ...(own.testedRef !== undefined && { testedRef: substituteBasearch(own.testedRef, arch) }),
    smokeTest: fillSmokeTest(own.smokeTest, own.images),
    deltas: own.deltas.map((from) => (typeof from === 'string' ? from : { ref: substituteBasearch(from.ref, arch) })),
  };
}

/** The template's keys for trees that are made of RPM packages. */
const packagesTemplate = `
    # A package that goes back to an older version stops the run, except these.
    allow-downgrades: []

    # Repository metadata older than this stops the run (m, h, d, w). Default: any age, but never older than last time.
    # max-metadata-age: 14d
`;

/** Returns the lines of the commented template about streams. @param name of the distribution */
export const streamsTemplate = (name: string, tree: TreeTemplate): string => `
# Named lines of builds.
streams:
  nightly:
${treeTemplate(name, tree)}
    # Default: this machine's.
    # arch: x86_64

    # Each nightly build starts from the last published commit.
    seed:
      # Default: the first target's url + /repo.
      # url: https://mirror.example.org/atomic/repo
      # Start a new repo when there is none at that URL. Set it to false after the first build, so that a mirror that
      # lost its repo stops the run instead of starting a new history.
      allow-new: true
      # With any key, the last commit must be signed by one of them, or by the stream's own.
      # gpg-keys: [/etc/pki/rpm-gpg/RPM-GPG-KEY-example]

    # In this order; the first is where the defaults of seed and remote point to.
    targets: [buildlogs]

    # The OSTree remote that images are configured with. Default: name as above, the first target's url + /repo.
    # remote:
    #   name: ${name}
    #   url: https://mirror.example.org/atomic/repo

    # The stateroot on hosts. Default: name as above.
    # os-name: ${name}
${imagesTemplate(name, 'treefile' in tree ? 'generic-cloud' : '')}${guestTestsTemplate}${'treefile' in tree ? packagesTemplate : ''}${signingTemplate}${'treefile' in tree ? releasePackageTemplate(name) : ''}
    # What the tree says of what it is made of (docs/provenance.md): with "signatures" a package that is only signed again
    # makes a new build.
    # provenance: {signatures: true}

${attestationsTemplate.slice(1)}
    # Static deltas to each new commit, so that clients need few requests: "parent", "scratch", or from what another ref
    # names, as in {ref: ${name}/release}.
    deltas: [parent]

    # Local build records and images kept.
    retention:
      builds: 30
${scheduleTemplate}${releaseTemplate(name)}`;
