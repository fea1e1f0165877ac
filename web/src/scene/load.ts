// Fetches a scene: its words and its model, from our own server with the page's session.
import { ApiProblem, toProblem } from "../api.ts";
import type { SceneWords } from "./types.ts";

const TIMEOUT_MS = 60_000;

export interface Loaded {
  words: SceneWords;
  model: ArrayBuffer;
}

/** What to show: a space by its code, or a survey by its id. */
export interface Subject {
  space?: string;
  surface?: string;
}

/** Where the words and the model of a subject are; null when it names neither. */
export function addresses(subject: Subject): { words: string; model: string } | null {
  if (subject.surface) {
    const base = `api/v1/surfaces/${encodeURIComponent(subject.surface)}`;
    return { words: base, model: `${base}/mesh.glb` };
  }
  if (subject.space) {
    const base = `api/v1/spaces/${encodeURIComponent(subject.space)}/scene`;
    return { words: base, model: `${base}.glb` };
  }
  return null;
}

export async function loadScene(subject: Subject, quit: AbortSignal): Promise<Loaded> {
  const where = addresses(subject);
  if (!where) throw new ApiProblem(404, "", "");
  const [words, model] = await Promise.all([get(where.words, quit), get(where.model, quit)]);
  return { words: (await words.json()) as SceneWords, model: await model.arrayBuffer() };
}

async function get(path: string, quit: AbortSignal): Promise<Response> {
  const signal = AbortSignal.any([quit, AbortSignal.timeout(TIMEOUT_MS)]);
  let answer: Response;
  try {
    answer = await fetch(path, { signal, credentials: "same-origin" });
  } catch (cause) {
    if (quit.aborted) throw cause;
    const timedOut = cause instanceof DOMException && cause.name === "TimeoutError";
    throw new ApiProblem(0, timedOut ? "timeout" : "network", "");
  }
  if (!answer.ok) throw await toProblem(answer);
  return answer;
}
