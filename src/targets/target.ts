import type { Task } from '../base/task.ts';

/**
 * A place to publish to. Paths are relative to the target's root, with `/`. The root holds `repo/` (the OSTree
 * repository) and `builds/` (records and images). Nothing but `list` costs more than what is sent or removed.
 */
export interface Target {
  readonly name: string;
  /** Where clients read the same files, without a trailing slash; empty where that is not known. */
  readonly publicUrl: string;
  /** Describes the target in messages, as in `directory /srv/atomic` or `rsync ssh user@host:/srv/atomic`. */
  describe(): string;
  /** Can it be reached and written to? @throws NightlyError `target-unreachable`, `target-permission`, `target-host-key`. */
  check(task: Task): Promise<void>;
  /** The target's own copy of a small file, past any cache in front of it; undefined when absent. */
  read(path: string, task: Task): Promise<Uint8Array | undefined>;
  /** Several such files in one round trip where the target can, in the order asked for. */
  readMany(paths: readonly string[], task: Task): Promise<readonly (Uint8Array | undefined)[]>;
  /**
   * As `readMany`, in the same round trip where the target can, with the symbolic links below a folder, of a few small files:
   * whoever writes one has to know. A file behind such a link may be given or not. There are none where the far side has no
   * such thing.
   */
  readWithLinks(paths: readonly string[], folder: string, task: Task): Promise<ContentsAndLinks>;
  /**
   * Sends files that keep their relative path. Each appears whole or not at all under its name; order among them is
   * free. A path that ends in `/` is an empty folder, where the target has such a thing. When `immutable`, what is there
   * already is left alone (write-once.ts): a file whose name holds its digest when it has the same size, any other when it
   * has the same content. @throws NightlyError `target-differs`, before anything is sent, when it has another content.
   */
  send(sourceRoot: string, paths: readonly string[], options: SendOptions, task: Task): Promise<SendStats>;
  /**
   * As `send` for one group of files after the other, without a round trip in between: no file of a group is seen before
   * all of the groups before it are there. Only of targets that can do so.
   */
  sendInOrder?(sourceRoot: string, groups: readonly SendGroup[], task: Task): Promise<SendStats>;
  /**
   * Compare and swap: while holding the target's lock, checks that each `expect` still holds, then puts the files in
   * order, each by an atomic rename. @throws NightlyError `target-moved` when an expectation does not hold, `locked`
   * when another publisher has the lock.
   */
  swap(request: SwapRequest, task: Task): Promise<void>;
  /** Every file below a folder, in any order; none when it is not there. Costs what the target's size costs: for repairs and nothing else. */
  list(folder: string, task: Task): AsyncIterable<TargetFile>;
  /** Removes files; one that is not there is no fault. Folders that become empty may stay. */
  remove(paths: readonly string[], task: Task): Promise<void>;
}

/** What each symbolic link leads to, as it is written there, by its path relative to the target's root. */
export type Links = ReadonlyMap<string, string>;

export interface ContentsAndLinks {
  readonly contents: readonly (Uint8Array | undefined)[];
  readonly links: Links;
}

/** What a target has under the name of a local file. `absent` stands also for an empty file, which a crash leaves there. */
export type Compared = 'absent' | 'same' | 'different';

/** What each kind of target does; open.ts makes a `Target` of it. */
export interface PlainTarget extends Target {
  /** Like `send` of `Target`, but when `immutable`, a file of the same size counts as the same. */
  send(sourceRoot: string, paths: readonly string[], options: PlainSendOptions, task: Task): Promise<SendStats>;
  /** Compares files with those the target has under the same relative paths, by their content, in the order asked for. */
  compare(sourceRoot: string, paths: readonly string[], task: Task): Promise<readonly Compared[]>;
}

export interface TargetFile {
  /** Relative to the target's root. */
  readonly path: string;
  readonly bytes: number;
}

export interface SendGroup {
  readonly paths: readonly string[];
  readonly immutable: boolean;
}

export interface SendOptions {
  /** Content-addressed or write-once: never overwritten, cached for long. */
  readonly immutable: boolean;
  /** Write-once files that are there with other bytes are replaced, as the records that name their digests are. */
  readonly replace?: boolean;
  /** What an earlier attempt sent of files whose names hold their digest; asked by targets that cannot see what is there without a request for each file. */
  readonly sent?: SentLog | undefined;
}

export interface PlainSendOptions extends SendOptions {
  /**
   * Only files that are not there: one that somebody else has put there meanwhile, even an empty one, is left alone, and not
   * counted as sent. By rsync, which cannot look and rename in one, two that send at the same moment may both do so.
   */
  readonly fresh?: boolean;
}

/** Remembers over a kill what arrived at a target. */
export interface SentLog {
  /** Whether an earlier attempt sent it; what this one sends need not be known. */
  has(path: string): boolean;
  add(paths: readonly string[]): Promise<void>;
}

export interface SendStats {
  readonly files: number;
  readonly bytes: number;
}

export interface SwapRequest {
  /** Path and the exact content it must still have; undefined: it must not exist. */
  readonly expect: readonly { readonly path: string; readonly content: Uint8Array | undefined }[];
  /** Put before all others, in any order: nobody looks at them before one of the others names them. */
  readonly ahead?: readonly SmallFile[];
  readonly put: readonly SmallFile[];
  /**
   * Makes files that must not exist anywhere unless the expectations hold, as a signature of what there may be one of only. Called
   * under the lock, beside `ahead` or behind it; put in order, behind `put`. When it throws, they are not put.
   */
  seal?(): Promise<readonly SmallFile[]>;
}

/** A file that is put as a whole. */
export interface SmallFile {
  readonly path: string;
  readonly content: Uint8Array;
}
