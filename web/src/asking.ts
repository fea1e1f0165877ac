// Asks the server as a person types: waits for a pause, and gives up the older question for the newer one.

export class Asker<Question, Answer> {
  readonly #ask: (question: Question, signal: AbortSignal) => Promise<Answer>;
  readonly #waitMs: number;
  #running: AbortController | null = null;

  constructor(ask: (question: Question, signal: AbortSignal) => Promise<Answer>, waitMs: number) {
    this.#ask = ask;
    this.#waitMs = waitMs;
  }

  /** The answer, or null when a newer question came before it. Rejects when the call fails. */
  async ask(question: Question): Promise<Answer | null> {
    this.stop();
    const own = new AbortController();
    this.#running = own;
    await new Promise((done) => setTimeout(done, this.#waitMs));
    if (own.signal.aborted) return null;
    try {
      const answer = await this.#ask(question, own.signal);
      return own.signal.aborted ? null : answer;
    } catch (cause) {
      if (own.signal.aborted) return null;
      throw cause;
    }
  }

  /** Give up what is asked now; its `ask` gives null. */
  stop(): void {
    this.#running?.abort();
    this.#running = null;
  }
}
