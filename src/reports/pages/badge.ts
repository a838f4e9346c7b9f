import type { BuildMeta } from '../../build/build-record.ts';
import { outcomeOf } from '../../build/outcomes.ts';
import { visibleText } from './page-text.ts';
import { render } from './render-page.ts';
import { timeView } from './time-view.ts';

/** Where the badge of a stream is, below the pages. */
export const badgePath = (stream: string): string => `badge/${stream}.svg`;

/** White text on each has a contrast of 4.5 and more. */
const COLOURS = { good: '#17663a', warn: '#855000', bad: '#ab1f1f', busy: '#0b5680', idle: '#56626b' } as const;
/** Width of a character, about: text is fitted into what it makes. */
const CHARACTER = 6.6;
const MARGIN = 7;

/**
 * Returns a small picture of how a stream stands, for pages of others: its newest build that has ended, and its day. All of
 * it is in the title, too.
 * @param builds of the stream, newest first
 */
export function badge(stream: string, builds: readonly { readonly meta: BuildMeta; readonly state: string }[]): string {
  const last = builds.find(({ state }) => state !== 'running');
  const outcome = last && outcomeOf(last.state);
  const day = last && timeView(last.meta.ostreeTimestamp).text.slice(0, 10);
  const text = last ? `${outcome?.label ?? last.state} ${day}` : 'no build yet';
  // Nothing to build is as good as built.
  const tone = last?.state === 'unchanged' ? 'good' : (outcome?.tone ?? 'idle');
  const [labelLength, textLength] = [lengthOf(stream), lengthOf(text)];
  const middle = labelLength + 2 * MARGIN;
  const flat = textLength + 2 * MARGIN - 3;
  return render('badge.svg', {
    ...{ label: stream, text, labelLength, textLength, middle, flat, textX: middle + MARGIN },
    width: middle + flat + 3,
    colour: COLOURS[tone],
  });
}

const lengthOf = (text: string): number => Math.round([...visibleText(text)].length * CHARACTER);
