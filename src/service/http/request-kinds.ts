import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context, MiddlewareHandler } from 'hono';
import { addressGroup } from './address.ts';
import { createPlaces, type PlaceLimits } from './places.ts';

type Kind = 'pages' | 'events' | 'logs' | 'machines' | 'triggers';

/**
 * Requests under way at the same time. Together they are fewer than the connections that are held (connections.ts), so
 * there is always one that is idle to make way for a newcomer.
 */
export const REQUEST_LIMITS: Readonly<Record<Kind, PlaceLimits>> = {
  pages: { total: 128, each: 64 },
  events: { total: 200, each: 100 },
  logs: { total: 32, each: 16 },
  machines: { total: 64, each: 32 },
  triggers: { total: 64, each: 32 },
};

/** Value of Retry-After: what is under way is over by then, except for live updates. */
const RETRY_SECONDS: Readonly<Record<Kind, number>> = { pages: 2, events: 30, logs: 10, machines: 2, triggers: 2 };

/** Returns what a request takes a place of. */
function kindOf({ req }: Context): Kind {
  if (req.method === 'POST') return 'triggers';
  if (req.path === '/readyz' || req.path === '/metrics') return 'machines';
  if (req.path === '/events') return 'events';
  return /\/log\//.test(req.path) && req.query('raw') !== undefined ? 'logs' : 'pages';
}

/**
 * Gives each kind of request places of its own (I15): 429 when an address has all of its own, 503 when all are taken, each
 * with when to come back. A page has its place until it is made; what is sent bit by bit, until its reader is gone.
 */
export function limitedByKind(): MiddlewareHandler {
  const kinds = {
    pages: createPlaces(REQUEST_LIMITS.pages),
    events: createPlaces(REQUEST_LIMITS.events),
    logs: createPlaces(REQUEST_LIMITS.logs),
    machines: createPlaces(REQUEST_LIMITS.machines),
    triggers: createPlaces(REQUEST_LIMITS.triggers),
  };
  return async (c, next) => {
    const kind = kindOf(c);
    const place = kinds[kind].take(addressGroup(getConnInfo(c).remote.address));
    if (typeof place === 'string') {
      const [status, who] = place === 'each' ? ([429, 'of this address '] as const) : ([503, ''] as const);
      return c.text(`Too many requests ${who}are under way.\n`, status, { 'Retry-After': String(RETRY_SECONDS[kind]) });
    }
    const lasts = kind === 'events' || kind === 'logs';
    // Before the answer is made: the reader may be gone by then.
    if (lasts) c.env.outgoing.once('close', place.free);
    try {
      return await next();
    } finally {
      if (!lasts || c.env.outgoing.closed) place.free();
    }
  };
}
