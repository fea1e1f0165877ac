// Where the focus goes when a part of the page closes: back to what opened it.

/** What has the focus, also inside shadow roots; null when nothing has it. */
export function focused(): HTMLElement | null {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return at instanceof HTMLElement && at !== document.body ? at : null;
}

/** True while somebody writes: no part of the page takes the focus from them. */
export function isWriting(): boolean {
  return ["input", "textarea", "select"].includes(focused()?.localName ?? "");
}

/** Remembers what opened the parts of the page, by the parts' tag names. */
export class Openers {
  readonly #by = new Map<string, HTMLElement>();

  /** Call before a part opens, or turns to something else: what has the focus outside of it opened it. */
  note(part: string): void {
    const at = focused();
    if (at && !isWithin(at, part)) this.#by.set(part, at);
  }

  /** Call when the part is gone. A focus that is elsewhere stays there; where the opener is gone too, `otherwise` finds a place. */
  back(part: string, otherwise: () => void): void {
    const opener = this.#by.get(part);
    this.#by.delete(part);
    if (!opener || focused()) return;
    // What stands in sight stays there: a list is not moved to a row that has sunk meanwhile.
    if (opener.isConnected) opener.focus({ preventScroll: true });
    if (!focused()) otherwise();
  }
}

function isWithin(element: HTMLElement, tag: string): boolean {
  let at: Node | null = element;
  while (at) {
    if (at instanceof Element && at.localName === tag) return true;
    at = at instanceof ShadowRoot ? at.host : at.parentNode;
  }
  return false;
}
