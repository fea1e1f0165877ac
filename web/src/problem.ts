// A failed call in words for the person at the desk: what happened, and the server's own sentence after it.
import { ApiProblem } from "./api.ts";
import { t, type Word } from "./i18n.ts";

const KNOWN = new Set([400, 401, 403, 404, 409, 412, 413, 422, 429]);

export function problemText(cause: unknown): string {
  if (!(cause instanceof ApiProblem)) return String(cause);
  return [summary(cause), cause.detail].filter(Boolean).join(" ");
}

/** The same of a call that was to change something: a lost answer does not mean that nothing changed. */
export function actionProblemText(cause: unknown): string {
  const unsure = !(cause instanceof ApiProblem) || cause.status === 0 || cause.status >= 500;
  return unsure ? `${problemText(cause)} ${t("problem.unsure")}` : problemText(cause);
}

function summary(problem: ApiProblem): string {
  const { status } = problem;
  if (status === 0) return t(problem.title === "timeout" ? "problem.timeout" : "problem.network");
  if (KNOWN.has(status)) return t(`problem.${status}` as Word);
  return t(status >= 500 ? "problem.5xx" : "problem.other", { status });
}
