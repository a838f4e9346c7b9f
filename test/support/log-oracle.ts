import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { buildGo } from './build-go.ts';

const SOURCE = new URL('./log-oracle/main.go', import.meta.url).pathname;
const WALKER = new URL('./log-walker/main.go', import.meta.url).pathname;

/** Where Debian and Fedora have the sources of Go libraries. */
const GOPATH = '/usr/share/gocode';
const GO = { go: 'go', gopath: GOPATH };

/** Why the oracle cannot be built here; undefined when it can. */
export function whyNoOracle(): string | undefined {
  const module = join(GOPATH, 'src/golang.org/x/mod/sumdb/tlog/tlog.go');
  return existsSync(module) ? undefined : `${module} is missing: npm run bootstrap -- --tests`;
}

export interface OracleRequest {
  /** Entry I of the log is the prefix, I and the suffix. */
  readonly prefix: string;
  readonly suffix: string;
  readonly size: number;
  readonly roots?: readonly number[];
  /** Index and size. */
  readonly inclusion?: readonly (readonly [number, number])[];
  /** Older and newer size. */
  readonly consistency?: readonly (readonly [number, number])[];
  /** Level, index, width. */
  readonly tiles?: readonly (readonly [number, number, number])[];
  readonly checks?: readonly {
    readonly kind: 'record' | 'tree';
    readonly proof: readonly string[];
    readonly size: number;
    readonly root: string;
    readonly index: number;
    readonly other: string;
  }[];
  readonly notes?: readonly { readonly note: string; readonly vkey: string }[];
}

const list = <Item extends z.ZodType>(item: Item) =>
  z
    .array(item)
    .nullable()
    .transform((all) => all ?? []);

const answer = z.object({
  Roots: list(z.string()),
  Inclusion: list(z.array(z.string())),
  Consistency: list(z.array(z.string())),
  Tiles: list(z.string()),
  Checks: list(z.boolean()),
  Notes: list(z.string()),
});

/** Builds golang.org/x/mod's note and tlog into a program, out of the system's packages and without a network. */
export function buildOracle(folder: string): (request: OracleRequest) => z.output<typeof answer> {
  const program = buildGo(SOURCE, folder, GO);
  return (request) => {
    const options = { input: JSON.stringify(request), maxBuffer: 1 << 30 };
    return answer.parse(JSON.parse(execFileSync(program, [], options).toString()));
  };
}

/** Builds a program that reads a whole log with golang.org/x/mod's verifier. Returns its path. */
export function buildWalker(folder: string): string {
  return buildGo(WALKER, folder, GO);
}
