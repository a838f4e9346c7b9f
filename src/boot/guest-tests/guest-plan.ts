import type { GuestTest } from './test-folder.ts';

/** A guest, and the tests that run in it one after the other. */
export interface PlannedGuest {
  readonly tests: readonly [GuestTest, ...GuestTest[]];
  readonly memory: string | undefined;
  readonly startsFrom: GuestTest['startsFrom'];
}

/**
 * Returns the guests of an image type: one for each test that wants to be alone, those first, since they take longest; the others
 * share one where they ask for the same memory.
 */
export function planGuests(tests: readonly GuestTest[]): PlannedGuest[] {
  const alone = tests.filter(({ isAlone }) => isAlone).map((test) => guestOf([test]));
  const others = tests.filter(({ isAlone }) => !isAlone);
  const shared = [...new Set(others.map(({ memory }) => memory))].flatMap((memory) => {
    const [first, ...more] = others.filter((test) => test.memory === memory);
    return first ? [guestOf([first, ...more])] : [];
  });
  return [...alone, ...shared];
}

const guestOf = (tests: PlannedGuest['tests']): PlannedGuest => ({
  tests,
  memory: tests[0].memory,
  startsFrom: tests[0].startsFrom,
});

/** Returns the tests that are for an image type. @param byDefault that of tests which name none */
export function testsFor(tests: readonly GuestTest[], type: string, byDefault: string | undefined): GuestTest[] {
  return tests.filter(({ images }) => images?.includes(type) ?? type === byDefault);
}
