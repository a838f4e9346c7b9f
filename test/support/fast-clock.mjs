// Has the clock of a Node program run faster that is started with NODE_OPTIONS=--import=THIS_FILE: a second is CLOCK_FACTOR seconds,
// for the time it reads and for what it waits for. It begins at the real time. Node programs that it starts have the same.
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers';
import promises from 'node:timers/promises';

const factor = Number(process.env.CLOCK_FACTOR);
const RealDate = Date;
const real = performance.now.bind(performance);
const [began, beganAt] = [RealDate.now(), real()];
const now = () => began + Math.round((real() - beganAt) * factor);
globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(now());
    else super(...args);
  }
  static now() {
    return now();
  }
};
performance.now = () => beganAt + (real() - beganAt) * factor;
for (const owner of [globalThis, timers])
  for (const name of ['setTimeout', 'setInterval']) {
    const wait = owner[name];
    owner[name] = (work, ms = 0, ...args) => wait(work, ms / factor, ...args);
  }
const sleep = promises.setTimeout;
promises.setTimeout = (ms = 0, ...args) => sleep(ms / factor, ...args);
syncBuiltinESMExports();
