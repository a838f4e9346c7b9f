import { z } from 'zod';
import { readRecord, recordFormat } from '../../base/read-record.ts';
import { formatEvra, parseNevra } from '../../rpm/evr.ts';
import type { Lockfile } from '../../rpm/lockfile.ts';
import { isRepoId } from '../../rpm/rpm-names.ts';

/** What a run of `compose tree` printed, as far as it means something. */
export interface Transcript {
  /** SHA-256, hex; what `rpmostree.inputhash` of the commit will be. */
  readonly inputHash: string | undefined;
  /** Everything it installs, from the list it prints before it starts: name to EVRA, several for multilib. */
  readonly packages: Readonly<Record<string, readonly string[]>>;
  /** NEVRA to the id of the repository it comes from, from the same list. */
  readonly origins: Readonly<Record<string, string>>;
  /** Repository id to the generation time of its metadata, RFC 3339. */
  readonly repositories: Readonly<Record<string, { readonly generated: string }>>;
  readonly commit: string | undefined;
  readonly unchanged: boolean;
}

export interface TranscriptReader {
  /** Takes a line of standard output. */
  line(text: string): void;
  transcript(): Transcript;
}

/** Reads rpm-ostree's standard output line by line; the forms are those of 2018.7 to 2026.2. */
export function readTranscript(): TranscriptReader {
  const packages: Record<string, string[]> = {};
  const origins: Record<string, string> = {};
  const repositories: Record<string, { generated: string }> = {};
  let inputHash: string | undefined;
  let commit: string | undefined;
  let unchanged = false;
  let inList = false;
  return {
    line(text) {
      // Entries are indented; the first line that is not ends the list.
      const [, entry, origin = ''] = (inList && /^\s+(\S+) \((.+)\)$/.exec(text)) || [];
      if (entry !== undefined) {
        const id = parseNevra(entry);
        if (id) packages[id.name] = [...(packages[id.name] ?? []), formatEvra(id)];
        if (id && isRepoId(origin)) origins[`${id.name}-${formatEvra(id)}`] = origin;
        return;
      }
      inList = /^Installing \d+ packages?:$/.test(text);
      const repo = /^rpm-md repo '(.+?)'(?: \(cached\))?; generated: (.+)$/.exec(text);
      if (repo?.[1] !== undefined && repo[2] !== undefined) {
        repositories[repo[1]] = { generated: rfc3339(repo[2].trim()) };
      }
      inputHash = /^Input state hash: ([0-9a-f]{64})$/.exec(text)?.[1] ?? inputHash;
      commit = /^(?:Wrote commit: |\S+ => )([0-9a-f]{64})$/.exec(text)?.[1] ?? commit;
      unchanged ||= text.startsWith('No apparent changes since previous commit');
    },
    transcript: () => ({ inputHash, packages, origins, repositories, commit, unchanged }),
  };
}

/** Returns what the printed list says as a lockfile. It has no digests: those are in repository metadata only. */
export function transcriptLockfile({ packages, repositories }: Transcript): Lockfile {
  const locked = Object.entries(packages).map(([name, [evra = '']]) => [name, { evra }] as const);
  return { packages: Object.fromEntries(locked), metadata: { rpmmd_repos: repositories } };
}

/** 2018.7 prints `2026-11-21 02:40:54` and means UTC; later ones are RFC 3339 already. */
function rfc3339(time: string): string {
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(time) ? `${time.replace(' ', 'T')}Z` : time;
}

const COMPOSE_JSON = recordFormat({
  schema: z.looseObject({ 'ostree-content-checksum': z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256') }),
  hint: 'rpm-ostree writes it: look whether the disk of the work folder is full, then run the build again.',
});

/** Returns the checksum of a tree's content, from what `--write-composejson-to` wrote. @throws NightlyError `record` */
export function composedChecksum(text: string, file: string): string {
  return readRecord(text, COMPOSE_JSON, file).ostreeContentChecksum;
}
