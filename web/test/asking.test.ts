// When the server is asked: once a pause in typing, the newest wins; and never too often.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Asker, Paced } from "../src/asking.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

interface Pending {
  question: string;
  signal: AbortSignal;
  answer: (text: string) => void;
  fail: (cause: Error) => void;
}

function asking(): { asker: Asker<string, string>; pending: Pending[] } {
  const pending: Pending[] = [];
  const ask = (question: string, signal: AbortSignal): Promise<string> =>
    new Promise((answer, fail) => pending.push({ question, signal, answer, fail }));
  return { asker: new Asker(ask, 150), pending };
}

describe("an asker", () => {
  it("waits for a pause before it asks", async () => {
    const { asker, pending } = asking();
    const answer = asker.ask("深南");
    await vi.advanceTimersByTimeAsync(149);
    expect(pending).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    pending[0]!.answer("ok");
    expect(await answer).toBe("ok");
  });

  it("asks once for what is typed in one go", async () => {
    const { asker, pending } = asking();
    const older = asker.ask("深");
    await vi.advanceTimersByTimeAsync(100);
    const newer = asker.ask("深南");
    await vi.advanceTimersByTimeAsync(150);
    expect(pending.map((each) => each.question)).toEqual(["深南"]);
    pending[0]!.answer("ok");
    expect(await older).toBeNull();
    expect(await newer).toBe("ok");
  });

  it("gives up the older call, and its late answer changes nothing", async () => {
    const { asker, pending } = asking();
    const older = asker.ask("a");
    await vi.advanceTimersByTimeAsync(150);
    const newer = asker.ask("ab");
    expect(pending[0]!.signal.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(150);
    pending[0]!.answer("late");
    pending[1]!.answer("new");
    expect(await older).toBeNull();
    expect(await newer).toBe("new");
  });

  it("tells of a failure, but not of one that it caused itself", async () => {
    const { asker, pending } = asking();
    const failing = asker.ask("a");
    await vi.advanceTimersByTimeAsync(150);
    pending[0]!.fail(new Error("away"));
    await expect(failing).rejects.toThrow("away");

    const stopped = asker.ask("b");
    await vi.advanceTimersByTimeAsync(150);
    asker.stop();
    pending[1]!.fail(new Error("aborted"));
    expect(await stopped).toBeNull();
  });
});

describe("a paced run", () => {
  it("runs at once, and once more for however many asks that come meanwhile", async () => {
    let runs = 0;
    const paced = new Paced(() => Promise.resolve(Boolean((runs += 1))), 1500);
    for (let i = 0; i < 50; i += 1) paced.ask();
    expect(runs).toBe(1);
    await vi.advanceTimersByTimeAsync(1499);
    paced.ask();
    expect(runs).toBe(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(runs).toBe(2);
  });

  it("never runs twice at a time", async () => {
    const ends: (() => void)[] = [];
    const paced = new Paced(() => new Promise((done) => ends.push(() => done(true))), 100);
    paced.ask();
    await vi.advanceTimersByTimeAsync(5000);
    paced.ask();
    expect(ends.length).toBe(1);
    ends[0]!();
    await vi.advanceTimersByTimeAsync(100);
    expect(ends.length).toBe(2);
  });

  it("runs again by itself after a failure, until it is stopped", async () => {
    let runs = 0;
    const paced = new Paced(() => Promise.resolve(!(runs += 1)), 1000);
    paced.ask();
    await vi.advanceTimersByTimeAsync(2500);
    expect(runs).toBe(3);
    paced.stop();
    await vi.advanceTimersByTimeAsync(5000);
    expect(runs).toBe(3);
  });
});
