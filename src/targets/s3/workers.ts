/**
 * Does `work` on each item with at most `count` under way. Items are asked for as they are needed, so that a million of
 * them take no memory; the first failure stops the others through the signal given to them, and is thrown when all have
 * ended.
 */
export async function eachParallel<Item>(
  items: AsyncIterable<Item> | Iterable<Item>,
  count: number,
  signal: AbortSignal,
  work: (item: Item, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  const source = asyncIterator(items);
  const worker = async (): Promise<void> => {
    for (;;) {
      both.throwIfAborted();
      const next = await source.next();
      if (next.done) return;
      await work(next.value, both);
    }
  };
  let first: { readonly error: unknown } | undefined;
  const workers = Array.from({ length: count }, () =>
    worker().catch((error: unknown) => {
      first ??= { error };
      failed.abort();
    }),
  );
  await Promise.all(workers);
  if (first) throw first.error;
}

async function* asyncIterator<Item>(items: AsyncIterable<Item> | Iterable<Item>): AsyncGenerator<Item> {
  yield* items;
}

/** Lets work begin only while all that is under way takes no more than `total` bytes; one larger piece goes alone. */
export function byteBudget(total: number): <Result>(bytes: number, work: () => Promise<Result>) => Promise<Result> {
  let free = total;
  const waiting: { readonly bytes: number; readonly begin: () => void }[] = [];
  const give = (bytes: number): void => {
    free += bytes;
    for (let next = waiting[0]; next && next.bytes <= free; next = waiting[0]) {
      waiting.shift();
      free -= next.bytes;
      next.begin();
    }
  };
  return async (wanted, work) => {
    const bytes = Math.min(wanted, total);
    if (waiting.length > 0 || bytes > free) {
      await new Promise<void>((begin) => waiting.push({ bytes, begin }));
    } else {
      free -= bytes;
    }
    try {
      return await work();
    } finally {
      give(bytes);
    }
  };
}
