// Where the token comes from: the address's fragment, once, which is then removed so that it is neither kept nor shared.

import type { Session } from "./types.ts";

/** Whether somebody may act on alarms, and whether on maps; the server decides, this only hides what it would refuse. */
export const mayActOnAlarms = (session: Session | null): boolean =>
  session?.role === "operator" || session?.role === "admin";
export const mayChangeMaps = (session: Session | null): boolean =>
  session?.role === "gis" || session?.role === "admin";

/** The token of `#token=…`, and the fragment without it. */
export function takeToken(fragment: string): { token: string | null; rest: string } {
  const parts = fragment.replace(/^#/, "").split("&").filter(Boolean);
  const found = parts.find((part) => part.startsWith("token="));
  const rest = parts.filter((part) => !part.startsWith("token=")).join("&");
  const token = found ? decodeURIComponent(found.slice("token=".length)) : "";
  return { token: token || null, rest: rest ? `#${rest}` : "" };
}

/** Take the token out of this page's address, also out of its history entry. */
export function tokenFromAddress(): string | null {
  const { token, rest } = takeToken(location.hash);
  if (token) history.replaceState(null, "", location.pathname + location.search + rest);
  return token;
}
