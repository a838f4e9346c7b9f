import type { Fault, SourcePlace } from '../base/errors.ts';
import type { Variable } from './shapes.ts';
import { kindOf, type Located } from './treefile-document.ts';
import type { Variables } from './variables.ts';

const OPERATORS = ['==', '!=', '<', '<=', '>', '>='] as const;
type Operator = (typeof OPERATORS)[number];

const ORDER = {
  '<': (a: number, b: number): boolean => a < b,
  '<=': (a: number, b: number): boolean => a <= b,
  '>': (a: number, b: number): boolean => a > b,
  '>=': (a: number, b: number): boolean => a >= b,
} as const;

/** `variable operator value`, as in `if: releasever >= 9`. */
export interface Condition {
  readonly variable: string;
  readonly operator: Operator;
  readonly value: Variable;
  readonly place: SourcePlace;
}

/** Reads what stands behind `if`: a condition or a list of conditions that must all hold. */
export function readConditions(node: Located, faults: Fault[]): Condition[] | undefined {
  const nodes = Array.isArray(node.value) ? (node.value as readonly Located[]) : [node];
  const found = nodes.flatMap((one) => readCondition(one, faults) ?? []);
  return found.length === nodes.length ? found : undefined;
}

function readCondition(node: Located, faults: Fault[]): Condition | undefined {
  const refuse = (message: string): undefined => {
    faults.push({ place: node.place, message });
    return undefined;
  };
  if (typeof node.value !== 'string')
    return refuse(`a condition is text such as releasever >= 9, not ${kindOf(node)}.`);
  // The grammar of rpm-ostree: blanks are free, strings stand in double quotes.
  const match = /^\s*([A-Za-z0-9_]+)\s*(\S+)\s*(?:(true|false)|([0-9]+)|"(.*)")\s*$/.exec(node.value);
  const [, variable, written, boolean, number, string] = match ?? [];
  if (variable === undefined || written === undefined) {
    return refuse(
      `the condition ${JSON.stringify(node.value)} is not of the form: variable, operator, value (true, false, a number, or text in double quotes).`,
    );
  }
  const operator = OPERATORS.find((one) => one === written);
  if (!operator) return refuse(`"${written}" is not an operator; one of ${OPERATORS.join(' ')} is.`);
  const value = boolean === undefined ? (number === undefined ? (string ?? '') : Number(number)) : boolean === 'true';
  return { variable, operator, value, place: node.place };
}

/**
 * Whether all conditions hold. Every one is looked at even after one that does not hold, so that an undefined variable
 * or a comparison of different types never hides behind another.
 */
export function conditionsHold(conditions: readonly Condition[], variables: Variables, faults: Fault[]): boolean {
  return conditions.map((condition) => isMet(condition, variables, faults)).every((held) => held);
}

function isMet({ variable, operator, value, place }: Condition, variables: Variables, faults: Fault[]): boolean {
  const refuse = (message: string): false => {
    faults.push({ place, message });
    return false;
  };
  const defined = variables.get(variable);
  if (!defined) {
    return refuse(`the variable "${variable}" is not defined here; defined: ${[...variables.keys()].join(', ')}.`);
  }
  const actual = defined.value;
  if (typeof actual !== typeof value) {
    return refuse(
      `"${variable}" is ${JSON.stringify(actual)}, a ${typeof actual}; it cannot be compared with ${JSON.stringify(value)}, a ${typeof value}.`,
    );
  }
  if (operator === '==') return actual === value;
  if (operator === '!=') return actual !== value;
  if (typeof actual !== 'number' || typeof value !== 'number') {
    return refuse(`"${operator}" compares numbers; "${variable}" is a ${typeof actual}.`);
  }
  return ORDER[operator](actual, value);
}
