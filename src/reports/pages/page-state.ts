import type { BuildState } from '../../build/events.ts';

/** How a state is shown: never by its colour alone. */
export interface StateView {
  readonly label: string;
  readonly symbol: string;
  readonly tone: 'good' | 'warn' | 'bad' | 'busy' | 'idle';
}

const STATES: Readonly<Record<BuildState, StateView>> = {
  complete: { label: 'complete', symbol: '✓', tone: 'good' },
  incomplete: { label: 'incomplete', symbol: '◐', tone: 'warn' },
  'gate-failed': { label: 'gate failed', symbol: '⊘', tone: 'warn' },
  failed: { label: 'failed', symbol: '✕', tone: 'bad' },
  interrupted: { label: 'interrupted', symbol: '‖', tone: 'warn' },
  unchanged: { label: 'unchanged', symbol: '=', tone: 'idle' },
  running: { label: 'running', symbol: '▸', tone: 'busy' },
};

const STEP_STATES = {
  done: { label: 'done', symbol: '✓', tone: 'good' },
  failed: { label: 'failed', symbol: '✕', tone: 'bad' },
  running: { label: 'running', symbol: '▸', tone: 'busy' },
  'cut off': { label: 'cut off', symbol: '‖', tone: 'warn' },
} as const satisfies Record<string, StateView>;

/** How a build's state is shown; one that is not known (of a later version) by its name. */
export function stateView(state: string): StateView {
  return Object.hasOwn(STATES, state) ? STATES[state as BuildState] : { label: state, symbol: '?', tone: 'idle' };
}

/** How a step's state is shown. */
export function stepStateView(state: keyof typeof STEP_STATES): StateView {
  return STEP_STATES[state];
}
