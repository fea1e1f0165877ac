// The alarm sound, off until asked for; made by the browser itself, so there is no file to miss.
const KEPT = "blocktwin.sound";

let context: AudioContext | null = null;

export function wantsSound(): boolean {
  return localStorage.getItem(KEPT) === "on";
}

/** Browsers stay mute until the person has touched the page. */
export function isBlocked(): boolean {
  return wantsSound() && context?.state !== "running";
}

export function setSound(on: boolean): void {
  localStorage.setItem(KEPT, on ? "on" : "off");
  if (on) wake();
}

/** To be called on a touch or key press: the only moment a browser lets sound begin. */
export function wake(): void {
  if (!wantsSound()) return;
  context ??= new AudioContext();
  void context.resume();
}

/** Two tones for orange, four for red. */
export function sound(severity: number): void {
  if (!wantsSound() || context?.state !== "running") return;
  const tones = severity >= 4 ? 4 : 2;
  for (let i = 0; i < tones; i += 1) tone(context, context.currentTime + i * 0.28, i % 2 ? 660 : 880);
}

function tone(audio: AudioContext, at: number, hertz: number): void {
  const source = audio.createOscillator();
  const volume = audio.createGain();
  source.frequency.value = hertz;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(0.25, at + 0.02);
  volume.gain.linearRampToValueAtTime(0, at + 0.22);
  source.connect(volume).connect(audio.destination);
  source.start(at);
  source.stop(at + 0.24);
}
