// When to ask the server: after a pause in typing, the newer question for the older; and not too often.

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

/** Runs at once when asked, one run at a time and with a pause after each; however many ask meanwhile, one more follows. */
export class Paced {
  readonly #run: () => Promise<boolean>;
  readonly #pauseMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #busy = false;
  #asked = false;

  /** `run` tells whether it succeeded, and never throws; after a failure it is run again. */
  constructor(run: () => Promise<boolean>, pauseMs: number) {
    this.#run = run;
    this.#pauseMs = pauseMs;
  }

  ask(): void {
    if (this.#busy) this.#asked = true;
    else void this.#go();
  }

  /** Forget what was asked; a run that is under way ends by itself. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#busy = this.#asked = false;
  }

  async #go(): Promise<void> {
    this.#busy = true;
    this.#asked = false;
    const done = await this.#run();
    if (!this.#busy) return;
    this.#timer = setTimeout(() => {
      this.#busy = false;
      if (this.#asked || !done) void this.#go();
    }, this.#pauseMs);
  }
}
