import { formatSeconds } from '../../base/format.ts';
import type { Links } from './links.ts';
import { type StateView, stepStateView } from './page-state.ts';
import { type TimeView, timeView } from './time-view.ts';
import { finishedText, type StepTime } from './times.ts';

/** What is under way: the values of the partial `now`. */
export interface NowView {
  readonly run: RunView | false;
  /** When nothing runs: a few coming runs. */
  readonly next: readonly { readonly stream: string; readonly time: TimeView }[];
}

interface RunView {
  readonly id: string;
  readonly href: string;
  readonly stream: string;
  /** The command that has the run lock. */
  readonly command: string;
  readonly started: TimeView;
  readonly elapsed: string;
  /** How long the last complete build of the stream took; empty when there is none. */
  readonly usual: string;
  /** What runs or failed; when nothing does, what was done last. */
  readonly steps: readonly StepLine[];
  /** What is done before it. */
  readonly done: readonly StepLine[];
  readonly doneText: string;
  /** The end of the log that is written to just now; empty when there is none. */
  readonly tailOf: string;
  readonly tail: string;
}

interface StepLine {
  readonly step: string;
  readonly href: string;
  readonly state: StateView;
  readonly duration: string;
  readonly line: string;
}

export interface RunningBuild {
  readonly id: string;
  readonly arch: string;
  readonly stream: string;
  readonly command: string;
  /** ms since the epoch. */
  readonly started: number;
  readonly usualSeconds?: number;
  readonly steps: readonly StepTime[];
  /** Keyed by step: the last lines of logs that are written to. */
  readonly tails: ReadonlyMap<string, string>;
}

/** @param now ms since the epoch */
export function nowView(
  running: RunningBuild | undefined,
  next: readonly { readonly stream: string; readonly at: Date }[],
  { links, now }: { readonly links: Links; readonly now: number },
): NowView {
  return {
    run: running ? runView(running, links, now) : false,
    next: next.slice(0, 4).map(({ stream, at }) => ({ stream, time: timeView(at) })),
  };
}

function runView(
  { id, arch, stream, command, started, usualSeconds, steps, tails }: RunningBuild,
  links: Links,
  now: number,
): RunView {
  const latest = steps.filter(({ state }) => state === 'running').at(-1);
  const lastLine = (step: string) => tails.get(step)?.trimEnd().split('\n').at(-1) ?? '';
  const isShown = ({ state }: StepTime): boolean => state !== 'done';
  const shown = steps.some(isShown) ? steps.filter(isShown) : steps.slice(-1);
  const folded = steps.filter((step) => !shown.includes(step));
  const lineOf = ({ step, state, start, end, message = '' }: StepTime): StepLine => ({
    step,
    href: links.log(id, arch, step),
    state: stepStateView(state),
    duration: state === 'cut off' ? '' : wholeSeconds((end ?? now) - start),
    line: state === 'running' && step !== latest?.step ? lastLine(step) : (message.split('\n')[0] ?? ''),
  });
  return {
    id,
    stream,
    command,
    started: timeView(started),
    href: links.build(id, arch),
    elapsed: formatSeconds(Math.max(0, Math.floor((now - started) / 1000))),
    usual: usualSeconds === undefined ? '' : formatSeconds(usualSeconds),
    steps: shown.map(lineOf),
    done: folded.map(lineOf),
    doneText: finishedText(folded.length),
    tailOf: latest?.step ?? '',
    tail: tails.get(latest?.step ?? '') ?? '',
  };
}

const wholeSeconds = (ms: number): string =>
  formatSeconds(ms < 10_000 ? Math.max(0, ms) / 1000 : Math.floor(ms / 1000));
