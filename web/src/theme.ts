// Dark, light, or as the system says; remembered. The map asks here which palette it is to use.
export type Theme = "auto" | "dark" | "light";

const KEPT = "blocktwin.theme";
const light = (): MediaQueryList => matchMedia("(prefers-color-scheme: light)");
const listeners = new Set<() => void>();

export function theme(): Theme {
  const kept = localStorage.getItem(KEPT);
  return kept === "dark" || kept === "light" ? kept : "auto";
}

export function isLight(): boolean {
  const chosen = theme();
  return chosen === "auto" ? light().matches : chosen === "light";
}

export function restoreTheme(): void {
  mark();
  light().addEventListener("change", tell);
}

export function nextTheme(): void {
  const order: Theme[] = ["auto", "dark", "light"];
  localStorage.setItem(KEPT, order[(order.indexOf(theme()) + 1) % order.length] ?? "auto");
  mark();
  tell();
}

export function onTheme(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function mark(): void {
  document.documentElement.dataset["theme"] = theme();
}

function tell(): void {
  for (const listener of listeners) listener();
}
