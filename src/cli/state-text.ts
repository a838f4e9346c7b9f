import { toned } from '../base/tone.ts';
import { outcomeOf } from '../build/outcomes.ts';

/** Returns the name of a build's state in its colour; one of a later version as it is. */
export function stateText(state: string): string {
  const outcome = outcomeOf(state);
  return outcome ? toned(outcome.tone, state) : state;
}
