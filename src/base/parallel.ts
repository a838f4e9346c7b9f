/**
 * Does `work` on each item with at most `atATime` under way, begun in the order of the items. These are asked for as they
 * are needed: unlike a queue of promises it takes memory for what is under way only, however many items there are. The
 * first failure, or an abort of `signal`, stops what has not begun, and the rest through the signal given to `work`; it is
 * thrown once everything under way has ended.
 */
export async function inParallel<Item>(
  items: AsyncIterable<Item> | Iterable<Item>,
  { atATime, signal }: { readonly atATime: number; readonly signal?: AbortSignal },
  work: (item: Item, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const both = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const source = asyncIterator(items);
  let first: { readonly error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    try {
      for (;;) {
        both.throwIfAborted();
        const next = await source.next();
        if (next.done) return;
        await work(next.value, both);
      }
    } catch (error) {
      first ??= { error };
      failed.abort();
    }
  };
  await Promise.all(Array.from({ length: atATime }, worker));
  if (first) throw first.error;
}

async function* asyncIterator<Item>(items: AsyncIterable<Item> | Iterable<Item>): AsyncGenerator<Item> {
  yield* items;
}
