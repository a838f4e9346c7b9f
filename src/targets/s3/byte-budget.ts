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
