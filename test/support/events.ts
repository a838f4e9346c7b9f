import type { BuildEvent, Happening } from '../../src/reports/notify/event.ts';

/** An event of a night of a distribution called mini, as one that failed unless told otherwise. */
export function someEvent(what: Happening = { type: 'failed' }, changes: Partial<BuildEvent> = {}): BuildEvent {
  return {
    id: `20261121_01-${what.type}-abc`,
    at: '2026-11-21T03:00:00.000Z',
    product: 'mini',
    stream: 'nightly',
    build: '20261121_01',
    arch: 'x86_64',
    ref: 'mini/x86_64/nightly',
    state: 'failed',
    failures: [
      { step: 'resolve', code: 'depsolve', message: 'The packages cannot be installed together:', hint: 'Wait.' },
    ],
    ...changes,
    ...what,
  } as BuildEvent;
}
