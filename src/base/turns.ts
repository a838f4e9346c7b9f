/** Work that must not overlap, by what it is about: each piece begins when the one before it has ended, however it ended. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Does `work` once everything begun before about the same thing has ended. @throws whatever `work` throws */
  take<Result>(about: string, work: () => Promise<Result>): Promise<Result> {
    const turn = (this.#last.get(about) ?? Promise.resolve()).then(work);
    const ended = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#last.get(about) === ended) this.#last.delete(about);
      });
    this.#last.set(about, ended);
    return turn;
  }

  /** Resolves once nothing is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}
