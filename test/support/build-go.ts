import { execFileSync } from 'node:child_process';
import { basename, dirname, join } from 'node:path';

/** A Go, and where it finds the sources of libraries. */
export interface GoAndLibraries {
  readonly go: string;
  readonly gopath: string;
  /** Where it keeps what it compiled; default: with the program. */
  readonly cache?: string;
}

/** Builds a program out of packages that are on this machine, without a network. Returns its path. */
export function buildGo(
  source: string,
  folder: string,
  { go, gopath, cache = join(folder, 'go-cache') }: GoAndLibraries,
): string {
  const program = join(folder, basename(dirname(source)));
  const env = {
    ...process.env,
    GO111MODULE: 'off',
    GOPATH: gopath,
    GOFLAGS: '',
    GOCACHE: cache,
    CGO_ENABLED: '0',
  };
  execFileSync(go, ['build', '-o', program, source], { env });
  return program;
}
