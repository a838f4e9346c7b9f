import type { BuildFailure } from '../../build/build-record.ts';
import type { Finding } from '../../publish/audit/audit-findings.ts';

/**
 * The events that sinks get about builds: the JSON that webhooks and MQTT get, and the values that mails and Matrix
 * messages are made of. Names and texts in it are as they came, from packages and programs; secrets are taken out,
 * markup is not.
 */
export type BuildEvent = AboutBuild & Happening;

/** What every event says. */
export interface AboutBuild {
  /** The same whenever the event is sent again. Letters, digits, `_` and `-`. */
  readonly id: string;
  /** RFC 3339, UTC: when it happened. */
  readonly at: string;
  /** Name of the distribution. */
  readonly product: string;
  readonly stream: string;
  readonly build: string;
  readonly arch: string;
  readonly ref: string;
  /** State of the build (build/events.ts). */
  readonly state: string;
  readonly commit?: string | undefined;
  /** Folder of the build on the first target of its stream; not there when nothing of it was published. */
  readonly url?: string;
  /** How long the run took. */
  readonly seconds?: number;
  /** Against the commit before it; not there for a build without a commit. */
  readonly changes?: Changes;
  /** What failed: the message's first line, and what to do. */
  readonly failures: readonly BuildFailure[];
}

export interface Changes {
  /** Summary of the package changes, as in `3 upgraded, 1 added`. */
  readonly summary: string;
  /** The first of them, by name; one that is new has no `from`, one that went no `to`. */
  readonly packages: readonly { readonly name: string; readonly from?: string; readonly to?: string }[];
  /** How many further packages changed. */
  readonly more: number;
  /** What they fix, as in `security: 3 important; bugfix: 2`; not there where no advisory is about them. */
  readonly advisories?: string;
  /** The part of it that is about security, as in `security: 3 important`. */
  readonly security?: string;
}

/** What happened. */
export type Happening =
  /** A run started a build, or continued it. */
  | { readonly type: 'started'; readonly resumed: boolean }
  /** A nightly build succeeded. */
  | { readonly type: 'complete' }
  /** There was nothing to build. */
  | { readonly type: 'unchanged' }
  /** The tree is published; an image or a later step failed. */
  | { readonly type: 'incomplete' }
  /** Built and published, but its smoke test did not pass. */
  | { readonly type: 'gate-failed' }
  /** No commit was published; or a release that had begun did not get to its end. */
  | { readonly type: 'failed' }
  /** A signal stopped it. A run that was killed cannot tell; the next one of that build says `started`. */
  | { readonly type: 'interrupted' }
  /** The first build of the stream that succeeded after one that did not; sent in addition to its outcome. */
  | { readonly type: 'recovered' }
  /** A promotion succeeded: a release candidate is ready for testing. */
  | { readonly type: 'promoted'; readonly night: string; readonly reason?: string }
  /** A promotion went to the mirrors. */
  | { readonly type: 'released'; readonly url: string; readonly notes: string }
  /** A release or a night (`release` is its build id) was taken back, by this build. */
  | { readonly type: 'withdrawn'; readonly release: string; readonly previous: string; readonly reason: string }
  /**
   * A key that the stream signs with will soon be too old: told 60, 30, 14, 7, 3 and 1 days before, and on that day.
   */
  | { readonly type: 'key-expiring'; readonly key: string; readonly expires: string; readonly days: number }
  /** An audit found something that is not as the release log has it, and that the audit before did not find. */
  | { readonly type: 'audit-finding'; readonly findings: readonly Finding[] }
  /** Two rebuilds of one package that should be the same are not; `task`: nobody knows yet whether it can be reproduced. */
  | {
      readonly type: 'dispute';
      readonly dispute: string;
      readonly task: boolean;
      readonly source: string;
      readonly packages: readonly string[];
      readonly builders: readonly string[];
    }
  /** Somebody tries whether messages arrive; nothing happened. */
  | { readonly type: 'test' };
