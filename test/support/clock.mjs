// Sets the clock of a Node program that is started with NODE_OPTIONS=--import=THIS_FILE: CLOCK_DAYS days are added to
// the date. Programs that it starts see the real one.
const shift = Number(process.env.CLOCK_DAYS) * 86_400_000;
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + shift);
    else super(...args);
  }
  static now() {
    return RealDate.now() + shift;
  }
};
