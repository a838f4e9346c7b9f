import { type OutcomeSpec, outcomeOf } from '../../build/outcomes.ts';

/** How a state is shown: never by its colour alone. */
export type StateView = Pick<OutcomeSpec, 'label' | 'symbol' | 'tone'>;

const STEP_STATES = {
  done: { label: 'done', symbol: '✓', tone: 'good' },
  failed: { label: 'failed', symbol: '✕', tone: 'bad' },
  running: { label: 'running', symbol: '▸', tone: 'busy' },
  'cut off': { label: 'cut off', symbol: '‖', tone: 'warn' },
} as const satisfies Record<string, StateView>;

/** Returns how a build's state is shown; one that is not known (of a later version) by its name. */
export function stateView(state: string): StateView {
  return outcomeOf(state) ?? { label: state, symbol: '?', tone: 'idle' };
}

/** Returns how a step's state is shown. */
export function stepStateView(state: keyof typeof STEP_STATES): StateView {
  return STEP_STATES[state];
}
