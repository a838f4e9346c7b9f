import type { Hono } from 'hono';

/** How long a rendered page is reused, so that all clients that ask for it at once cost one read of the disk. */
const SAME_MS = 1000;
const MAX_PAGES = 100;

/** A whole answer. */
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: ArrayBuffer;
}

/** Answers as the pages do, each page for a second as it was. Live events, logs and assets go through each time. */
export function withPageCache(pages: Hono): (request: Request) => Promise<Response> {
  const kept = new Map<string, { readonly at: number; readonly answer: Promise<Answer> }>();
  return async (request) => {
    const { pathname, search } = new URL(request.url);
    // A page's own script asks because something has just changed (Fetch Metadata: its destination is empty).
    const byScript = request.headers.get('sec-fetch-dest') === 'empty';
    // Answers of the API may be large, and each client asks for others.
    const whole = !/^\/(events|assets\/|api\/)|\/log\//.test(pathname);
    if (request.method !== 'GET' || byScript || !whole) return pages.fetch(request);
    const key = pathname + search;
    let page = kept.get(key);
    if (!page || performance.now() - page.at >= SAME_MS) {
      page = { at: performance.now(), answer: wholeAnswer(pages, request) };
      kept.delete(key);
      kept.set(key, page);
      for (const oldest of kept.keys()) {
        if (kept.size <= MAX_PAGES) break;
        kept.delete(oldest);
      }
    }
    const { status, headers, body } = await page.answer;
    return new Response(body, { status, headers });
  };
}

async function wholeAnswer(pages: Hono, request: Request): Promise<Answer> {
  const response = await pages.fetch(request);
  return { status: response.status, headers: response.headers, body: await response.arrayBuffer() };
}
