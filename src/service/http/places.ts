/** How many may do something at the same time, in all and of one address. */
export interface PlaceLimits {
  readonly total: number;
  readonly each: number;
}

/** Somebody has a place until it is given back, once. */
export interface Place {
  readonly free: () => void;
}

/** Places of one kind, so that one kind cannot use up what another needs (I15). */
export interface Places {
  /** A place, or what is used up: all of them, or those of one address. */
  take(who: string): Place | 'total' | 'each';
}

/** Makes places of one kind, so many in all and for each address. */
export function createPlaces({ total, each }: PlaceLimits): Places {
  const taken = new Map<string, number>();
  let all = 0;
  return {
    take(who) {
      const own = taken.get(who) ?? 0;
      if (own >= each) return 'each';
      if (all >= total) return 'total';
      all += 1;
      taken.set(who, own + 1);
      let held = true;
      return {
        free() {
          if (!held) return;
          held = false;
          all -= 1;
          const left = (taken.get(who) ?? 1) - 1;
          if (left === 0) taken.delete(who);
          else taken.set(who, left);
        },
      };
    },
  };
}
