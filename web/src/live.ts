// Ties a component to the store, the language and the clock: it is drawn again when one of them changes.
import type { ReactiveController, ReactiveControllerHost } from "lit";
import { onLang } from "./i18n.ts";
import { store } from "./store.ts";

export class Live implements ReactiveController {
  readonly #host: ReactiveControllerHost;
  readonly #tickMs: number;
  #off: (() => void)[] = [];

  /** `tickMs` > 0 draws the host that often as well, for ages that grow. */
  constructor(host: ReactiveControllerHost, tickMs = 0) {
    this.#host = host;
    this.#tickMs = tickMs;
    host.addController(this);
  }

  hostConnected(): void {
    const draw = (): void => this.#host.requestUpdate();
    store.addEventListener("change", draw);
    this.#off = [() => store.removeEventListener("change", draw), onLang(draw)];
    if (this.#tickMs > 0) {
      const id = setInterval(draw, this.#tickMs);
      this.#off.push(() => clearInterval(id));
    }
  }

  hostDisconnected(): void {
    for (const off of this.#off) off();
    this.#off = [];
  }
}
