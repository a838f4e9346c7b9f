import { formatAge } from '../../base/format.ts';
import type { BuildList } from '../../build/build-list.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { outcomeOf } from '../../build/outcomes.ts';
import type { Links } from './links.ts';
import type { StateView } from './page-state.ts';
import { timeView } from './time-view.ts';

/** How one stream stands, as the service judges it. */
interface JudgedStream {
  readonly stream: string;
  readonly last?: { readonly build: string; readonly step?: string };
  readonly good?: { readonly build: string; readonly ageSeconds: number };
  readonly problems: readonly string[];
}

/** What the service judged: all problems with what to do about them, and those of each stream once more with it. */
export interface Judgement {
  readonly nextSteps: readonly { readonly problem: string; readonly nextStep: string }[];
  readonly streams: readonly JudgedStream[];
}

/** The first lines of the overview: the values of the partial `health`. */
export interface HealthView extends Pick<StateView, 'symbol' | 'tone'> {
  readonly headline: string;
  readonly problems: readonly {
    readonly text: string;
    /** What to do about it; empty where the page does not know. */
    readonly nextStep: string;
    /** The build that it is about; empty where it is about none. */
    readonly href: string;
    readonly id: string;
    /** The log of the step that failed; empty where there is none. */
    readonly logHref: string;
    readonly step: string;
  }[];
  readonly good: readonly {
    readonly stream: string;
    readonly id: string;
    readonly href: string;
    readonly when: string;
  }[];
}

interface Known {
  readonly links: Links;
  /** Architecture of a build, which its address has. */
  readonly archOf: (id: string) => string | undefined;
}

/** Returns what the service judged, with links to the builds and logs that it speaks of. */
export function healthView({ nextSteps, streams }: Judgement, { links, archOf }: Known): HealthView {
  const hrefOf = (id: string): string => {
    const arch = archOf(id);
    return arch === undefined ? '' : links.build(id, arch);
  };
  const steps = new Map(nextSteps.map(({ problem, nextStep }) => [problem, nextStep]));
  const ofStreams = streams.flatMap(({ problems: all, last }) =>
    // The first is about the last build; the others are about the stream.
    all.map((text, index) => {
      const id = index === 0 && last !== undefined && text.includes(last.build) ? last.build : '';
      const [arch, step = ''] = [archOf(id), id === '' ? undefined : last?.step];
      const logHref = arch && step ? links.log(id, arch, step) : '';
      return { text, nextStep: steps.get(text) ?? '', id, href: hrefOf(id), step, logHref };
    }),
  );
  const told = new Set(ofStreams.map(({ text }) => text));
  const others = nextSteps.filter(({ problem }) => !told.has(problem));
  return {
    ...verdict(nextSteps.length),
    problems: [
      ...ofStreams,
      ...others.map(({ problem: text, nextStep }) => ({ text, nextStep, id: '', href: '', step: '', logHref: '' })),
    ],
    good: streams.flatMap(({ stream, good }) =>
      good ? [{ stream, id: good.build, href: hrefOf(good.build), when: `${formatAge(good.ageSeconds)} ago` }] : [],
    ),
  };
}

/**
 * Returns how published streams stand, told by their records alone: without ages, for nobody knows when the page is read.
 * @param builds those of all streams
 */
export function publishedHealth(
  streams: readonly { readonly name: string }[],
  builds: BuildList<{ readonly meta: BuildMeta; readonly state: string }>,
  links: Links,
): HealthView {
  const found = streams.map(({ name }) => {
    const ours = builds.of(name);
    return { name, newest: ours[0], good: ours.find(({ state }) => state === 'complete' || state === 'unchanged') };
  });
  const problems = found.flatMap(({ name, newest }) => {
    const outcome = newest && outcomeOf(newest.state);
    if (!newest || !outcome?.bad) return [];
    const { buildid: id, basearch: arch } = newest.meta;
    const text = `${name}: the newest build, ${id}, is ${outcome.label}.`;
    return [{ text, nextStep: '', id, href: links.build(id, arch), step: '', logHref: '' }];
  });
  return {
    ...verdict(problems.length),
    problems,
    good: found.flatMap(({ name: stream, good }) => {
      if (!good) return [];
      const { buildid: id, basearch: arch, ostreeTimestamp } = good.meta;
      return [{ stream, id, href: links.build(id, arch), when: timeView(ostreeTimestamp).text }];
    }),
  };
}

function verdict(problems: number): Pick<HealthView, 'headline' | 'symbol' | 'tone'> {
  if (problems === 0) return { headline: 'All is well.', symbol: '✓', tone: 'good' };
  const headline = problems === 1 ? '1 thing needs attention:' : `${problems} things need attention:`;
  return { headline, symbol: '!', tone: 'bad' };
}
