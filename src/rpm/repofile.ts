import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { NightlyError } from '../errors.ts';
import { keepSecret } from '../tools/redact.ts';
import type { Treefile } from '../treefile/treefile.ts';

/** One section of a .repo file (dnf.conf(5)), with its variables substituted. */
export interface RepoDefinition {
  readonly id: string;
  /** Absolute path of the .repo file. */
  readonly file: string;
  /** 1-based line of its section. */
  readonly line: number;
  readonly baseurl: readonly string[];
  readonly metalink?: string;
  readonly mirrorlist?: string;
  /** Whether every package of it must be signed by one of `gpgkey`. */
  readonly gpgcheck: boolean;
  readonly gpgkey: readonly string[];
  /** Every other option as written, substituted. */
  readonly options: Readonly<Record<string, string>>;
}

/**
 * Reads every `*.repo` beside the top treefile, as rpm-ostree does; the host's own repositories never count, and
 * neither does `enabled=`.
 * @throws NightlyError `config` for a file that is not INI or an id defined twice.
 */
export async function readRepoFiles(treefile: Treefile): Promise<RepoDefinition[]> {
  const folder = dirname(treefile.path);
  const files = (await readdir(folder)).filter((name) => name.endsWith('.repo')).sort();
  const variables = repoVariables(treefile);
  const found = new Map<string, RepoDefinition>();
  for (const name of files) {
    const file = join(folder, name);
    for (const repo of parseRepoFile(await readFile(file, 'utf8'), file, variables)) {
      const earlier = found.get(repo.id);
      if (earlier) {
        throw new NightlyError(
          'config',
          `Repository "${repo.id}" is defined twice: in ${earlier.file} and in ${file}.`,
          {
            hint: 'Remove one of the two sections.',
            place: { file, line: repo.line },
          },
        );
      }
      found.set(repo.id, repo);
    }
  }
  return [...found.values()];
}

/**
 * The repositories of a treefile: those of `repos` and `repo-packages`, then, when `locked`, those of `lockfile-repos`. Each once.
 * @throws NightlyError `repo-unknown`, naming the known ids and the .repo files.
 */
export async function treefileRepos(
  treefile: Treefile,
  options: { readonly locked: boolean },
): Promise<RepoDefinition[]> {
  const defined = await readRepoFiles(treefile);
  const { values } = treefile;
  const wanted = new Map<string, string>();
  for (const id of values.repos ?? []) wanted.set(id, `repos/${id}`);
  for (const { repo } of values['repo-packages'] ?? [])
    if (!wanted.has(repo)) wanted.set(repo, `repo-packages/${repo}`);
  if (options.locked)
    for (const id of values['lockfile-repos'] ?? []) if (!wanted.has(id)) wanted.set(id, `lockfile-repos/${id}`);
  return [...wanted].map(([id, origin]) => {
    const repo = defined.find((one) => one.id === id);
    if (repo) return repo;
    const files = [...new Set(defined.map(({ file }) => file))];
    const place = treefile.origins.get(origin) ?? treefile.origins.get(origin.split('/')[0] ?? '');
    throw new NightlyError(
      'repo-unknown',
      `The treefile names the repository "${id}", which no .repo file beside it defines. ${
        defined.length === 0
          ? `There is no repository in any *.repo file in ${dirname(treefile.path)}.`
          : `Defined are ${defined.map((one) => one.id).join(', ')} in ${files.join(', ')}.`
      }`,
      {
        hint: `Correct the id in the treefile, or add a [${id}] section to a .repo file in ${dirname(treefile.path)}.`,
        ...(place ? { place } : {}),
      },
    );
  });
}

/** dnf's variables for a treefile: basearch, arch, releasever (when it has one) and its repovars. */
export function repoVariables({ values }: Treefile): Record<string, string> {
  const basearch = values.basearch ?? 'x86_64';
  return {
    basearch,
    arch: basearch,
    ...(values.releasever === undefined ? {} : { releasever: String(values.releasever) }),
    ...values.repovars,
  };
}

/** Parses one .repo file. Relative `file:` paths and bare paths of gpgkey and baseurl count from the file's folder. */
export function parseRepoFile(
  text: string,
  file: string,
  variables: Readonly<Record<string, string>>,
): RepoDefinition[] {
  const sections: { id: string; line: number; options: Record<string, string> }[] = [];
  let lastKey: string | undefined;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const section = sections.at(-1);
    if (/^\s*([#;].*)?$/.test(raw)) continue;
    const header = /^\[([^\]]+)\]\s*$/.exec(raw);
    const entry = /^([^\s=][^=]*?)\s*=\s*(.*?)\s*$/.exec(raw);
    if (header) {
      sections.push({ id: header[1]?.trim() ?? '', line: index + 1, options: {} });
      lastKey = undefined;
    } else if (/^\s/.test(raw) && section && lastKey !== undefined) {
      // A further line of a list, indented as in baseurl= and gpgkey=.
      section.options[lastKey] = `${section.options[lastKey] ?? ''}\n${raw.trim()}`;
    } else if (entry && section) {
      lastKey = (entry[1] ?? '').toLowerCase();
      section.options[lastKey] = entry[2] ?? '';
    } else {
      throw new NightlyError('config', `This is neither a [section] nor an option of one: ${raw.trim()}`, {
        hint: 'A .repo file is made of [id] lines, each followed by option=value lines.',
        place: { file, line: index + 1 },
      });
    }
  }
  return sections
    .filter(({ id }) => id !== 'main')
    .map(({ id, line, options }) => {
      const filled = Object.fromEntries(
        Object.entries(options).map(([key, value]) => [key, substitute(value, variables)]),
      );
      for (const value of secretsIn(filled)) keepSecret(value);
      const { baseurl, metalink, mirrorlist, gpgcheck, gpgkey, ...rest } = filled;
      return {
        id: substitute(id, variables),
        file,
        line,
        baseurl: urls(baseurl, file),
        ...(metalink ? { metalink } : {}),
        ...(mirrorlist ? { mirrorlist } : {}),
        gpgcheck: /^(1|true|yes|on)$/i.test(gpgcheck ?? ''),
        gpgkey: urls(gpgkey, file),
        options: rest,
      };
    });
}

/** Passwords of a section: of its options, and in its URLs. */
function secretsIn(options: Readonly<Record<string, string>>): string[] {
  const inUrls = Object.values(options).flatMap((value) =>
    [...value.matchAll(/:\/\/[^\s/@:]*:([^\s/@]+)@/g)].map(([, password = '']) => password),
  );
  return [options['password'] ?? '', options['proxy_password'] ?? '', ...inUrls, ...inUrls.map(decoded)];
}

/** A password as it is before it is written into a URL. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Replaces `$name` and `${name}`; unknown variables stay, as dnf leaves them. */
export function substitute(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
    return variables[(braced ?? bare ?? '').toLowerCase()] ?? variables[braced ?? bare ?? ''] ?? whole;
  });
}

function urls(value: string | undefined, file: string): string[] {
  return (value ?? '')
    .split(/[\s,]+/)
    .filter((word) => word !== '')
    .map((word) => (/^[a-z][a-z0-9+.-]*:/i.test(word) ? word : pathToFileURL(resolve(dirname(file), word)).href));
}
