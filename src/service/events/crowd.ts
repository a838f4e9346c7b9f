import type { PlaceLimits } from '../http/places.ts';

/** One of a crowd. */
export interface Member {
  /** While it is set, this one does not make way for others. */
  busy: boolean;
  leave(): void;
}

/** A number of places whose holders make way for newcomers, the oldest first, so that nobody is locked out by those who only hold one. */
export interface Crowd {
  /** @param end called when this one has to make way @returns undefined when nobody can */
  enter(name: string, end: () => void): Member | undefined;
}

interface Inside extends Member {
  readonly name: string;
  readonly end: () => void;
}

/**
 * Returns a crowd with limits in all and for one name; where all places are taken, one of the name that has the most
 * makes way.
 */
export function createCrowd({ total, each }: PlaceLimits): Crowd {
  /** Clients in the order of their arrival. */
  const inside = new Set<Inside>();
  const of = (name: string): Inside[] => [...inside].filter((one) => one.name === name);

  function largest(): Inside[] {
    const groups = [...new Set([...inside].map(({ name }) => name))].map(of);
    return groups.reduce<Inside[]>((most, own) => (own.length > most.length ? own : most), []);
  }

  function makeWay(some: readonly Inside[]): boolean {
    const oldest = some.find(({ busy }) => !busy);
    if (!oldest) return false;
    inside.delete(oldest);
    oldest.end();
    return true;
  }

  return {
    enter(name, end) {
      const own = of(name);
      if (own.length >= each ? !makeWay(own) : inside.size >= total && !makeWay(largest()) && !makeWay([...inside])) {
        return undefined;
      }
      const member: Inside = { name, end, busy: false, leave: () => void inside.delete(member) };
      inside.add(member);
      return member;
    },
  };
}
