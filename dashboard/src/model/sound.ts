/** The desk's own horn: P1 two tones without pause, P2 every 10 s, a low pair every 10 s while data is lost. The plant's horn is the engine's. */

import { signal } from "@preact/signals";

export type Tune = "P1" | "P2" | "lost" | null;
export type SoundState = "on" | "off" | "none";

export const sound = signal<SoundState>("off");
/** Somebody here has heard that data is lost; the next loss sounds again. */
export const lossHeard = signal(false);

interface Note {
  frequency_hz: number;
  length_s: number;
}

const TUNES: Record<Exclude<Tune, null>, { notes: Note[]; every_s: number }> = {
  P1: { notes: [{ frequency_hz: 960, length_s: 0.25 }, { frequency_hz: 770, length_s: 0.25 }], every_s: 0.5 },
  P2: { notes: [{ frequency_hz: 660, length_s: 0.18 }, { frequency_hz: 660, length_s: 0.18 }, { frequency_hz: 520, length_s: 0.3 }], every_s: 10 },
  lost: { notes: [{ frequency_hz: 330, length_s: 0.3 }, { frequency_hz: 262, length_s: 0.4 }], every_s: 10 },
};
const LOUDNESS = 0.25;
const EDGE_S = 0.012;

let context: AudioContext | null = null;
let tune: Tune = null;
let timer = 0;

/** Makes the audio context; browsers keep it suspended until a person has touched the page. */
export function startSound(): void {
  if (typeof AudioContext === "undefined") {
    sound.value = "none";
    return;
  }
  context = new AudioContext();
  context.onstatechange = () => {
    sound.value = context?.state === "running" ? "on" : "off";
    schedule();
  };
  sound.value = context.state === "running" ? "on" : "off";
  for (const gesture of ["pointerdown", "keydown"]) document.addEventListener(gesture, allowSound);
}

export function allowSound(): void {
  if (context && context.state !== "running") void context.resume();
}

export function play(wanted: Tune): void {
  if (wanted === tune) return;
  tune = wanted;
  schedule();
}

function schedule(): void {
  clearInterval(timer);
  if (!tune || context?.state !== "running") return;
  const { notes, every_s } = TUNES[tune];
  const round = (): void => sing(notes);
  round();
  timer = window.setInterval(round, every_s * 1000);
}

function sing(notes: Note[]): void {
  if (!context) return;
  let start_s = context.currentTime + 0.01;
  for (const { frequency_hz, length_s } of notes) {
    const oscillator = new OscillatorNode(context, { type: "triangle", frequency: frequency_hz });
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.setValueAtTime(0, start_s);
    gain.gain.linearRampToValueAtTime(LOUDNESS, start_s + EDGE_S);
    gain.gain.setValueAtTime(LOUDNESS, start_s + length_s - EDGE_S);
    gain.gain.linearRampToValueAtTime(0, start_s + length_s);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(start_s);
    oscillator.stop(start_s + length_s);
    start_s += length_s;
  }
}
