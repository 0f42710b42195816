/**
 * The newest reading of every tag, as arrays: a frame is copied slot by slot and no object is made for a value.
 * A tag that is on the screen has a revision signal; only those that are watched cost anything to draw.
 */

import { batch, signal, type Signal } from "@preact/signals";
import type { Frame, Layout, Tag } from "./contract";
import { BAD, GOOD, NEVER, RECORD_INTERVAL_MS } from "./quality";

const LONGEST_INTERVAL_MS = 3_600_000;
const SHORTEST_INTERVAL_MS = 2_000;

export type FrameListener = (index: number, time_ms: number) => void;

export class Values {
  readonly index: ReadonlyMap<string, number>;
  readonly value: Float64Array;
  readonly quality: Uint8Array;
  /** When the engine received it, unix ms; 0 where nothing ever came. */
  readonly received_ms: Float64Array;
  /** For a record the device's own time, else equal to `received_ms`. */
  readonly source_ms: Float64Array;
  /** When the last reading that was not Bad was received; 0 where unknown. */
  readonly good_ms: Float64Array;
  /** When the value last changed while the page watched; 0 where that was before. */
  readonly changed_ms: Float64Array;
  readonly interval_ms: Float64Array;
  readonly reason: (string | null)[];
  readonly text = new Map<number, string | null>();
  newest_ms = 0;

  private readonly faults = new Map<string, Signal<readonly string[]>>();
  private readonly layouts = new Map<number, Int32Array>();
  private readonly revisions: (Signal<number> | undefined)[];
  private readonly listeners = new Map<number, Set<FrameListener>>();

  constructor(readonly tags: readonly Tag[]) {
    const count = tags.length;
    this.index = new Map(tags.map((tag, index) => [tag.id, index]));
    this.value = new Float64Array(count).fill(NaN);
    this.quality = new Uint8Array(count).fill(NEVER);
    this.received_ms = new Float64Array(count);
    this.source_ms = new Float64Array(count);
    this.good_ms = new Float64Array(count);
    this.changed_ms = new Float64Array(count);
    this.interval_ms = new Float64Array(count).fill(RECORD_INTERVAL_MS);
    this.reason = new Array<string | null>(count).fill(null);
    this.revisions = new Array<Signal<number> | undefined>(count);
  }

  /** Remembers where each slot of the layouts of a snapshot goes, and no older layout. Returns the tags that this page does not know. */
  applyLayouts(layouts: readonly Layout[]): string[] {
    const unknown: string[] = [];
    this.layouts.clear();
    for (const layout of layouts) {
      const slots = Int32Array.from(layout.tags, (id) => this.index.get(id) ?? -1);
      slots.forEach((index, slot) => index < 0 && unknown.push(layout.tags[slot] ?? ""));
      this.layouts.set(layout.id, slots);
    }
    return unknown;
  }

  /** Copies the frames and texts of one message and wakes what is watched, once. */
  apply(frames: readonly Frame[], texts: Record<string, string | null>): void {
    batch(() => {
      for (const frame of frames) this.applyFrame(frame);
      for (const id in texts) {
        const index = this.index.get(id);
        if (index === undefined) continue;
        this.text.set(index, texts[id] ?? null);
        this.wake(index);
      }
    });
  }

  private applyFrame(frame: Frame): void {
    const slots = this.layouts.get(frame.layout);
    if (!slots) return;
    if (frame.received_ms > this.newest_ms) this.newest_ms = frame.received_ms;
    const first = this.tags[slots.find((index) => index >= 0) ?? -1];
    if (first?.polled) this.tell(first.equipment, frame.failure === null ? frame.findings : [frame.failure]);
    for (let slot = 0; slot < slots.length; slot++) {
      const index = slots[slot] as number;
      if (index < 0) continue;
      const value = frame.values[slot] ?? NaN;
      const quality = Number.isNaN(value) ? BAD : (frame.quality?.[slot] ?? GOOD);
      this.put(index, value, quality, frame.reason?.[slot] ?? null, frame);
    }
  }

  private tell(equipment: string, faults: readonly string[]): void {
    const told = this.faultsOf(equipment);
    const same = told.value.length === faults.length && faults.every((fault, i) => fault === told.value[i]);
    if (!same) told.value = faults;
  }

  /** What is wrong with an equipment's device, a sentence each; empty where all is well. A record says nothing of it. */
  faultsOf(equipment: string): Signal<readonly string[]> {
    let told = this.faults.get(equipment);
    if (!told) this.faults.set(equipment, (told = signal<readonly string[]>([])));
    return told;
  }

  private put(index: number, value: number, quality: number, reason: string | null, frame: Frame): void {
    const polled = (this.tags[index] as Tag).polled;
    const source_ms = polled ? frame.received_ms : (frame.source_ms ?? frame.time_ms);
    const before = this.value[index] as number;
    if (!polled) this.learnInterval(index, source_ms - (this.source_ms[index] as number));
    if (this.quality[index] !== NEVER && value !== before && !Number.isNaN(value) && !Number.isNaN(before)) {
      this.changed_ms[index] = frame.received_ms;
    }
    this.value[index] = value;
    this.quality[index] = quality;
    this.reason[index] = reason;
    this.received_ms[index] = frame.received_ms;
    this.source_ms[index] = source_ms;
    if (quality !== BAD) this.good_ms[index] = frame.received_ms;
    this.wake(index);
    this.listeners.get(index)?.forEach((listener) => listener(index, frame.time_ms));
  }

  private learnInterval(index: number, gap_ms: number): void {
    if (gap_ms >= SHORTEST_INTERVAL_MS && gap_ms <= LONGEST_INTERVAL_MS && this.source_ms[index] !== 0) {
      this.interval_ms[index] = gap_ms;
    }
  }

  private wake(index: number): void {
    const revision = this.revisions[index];
    if (revision) revision.value += 1;
  }

  /** Reading this signal inside a computation makes it follow the tag. */
  revision(index: number): Signal<number> {
    return (this.revisions[index] ??= signal(0));
  }

  /** Age of the reading by the older of its two times, so that neither a late record nor a repeated one looks fresh. */
  age_ms(index: number, now_ms: number): number {
    const oldest = Math.min(this.received_ms[index] as number, this.source_ms[index] as number);
    return oldest === 0 ? Infinity : Math.max(0, now_ms - oldest);
  }

  /** Calls back for each reading of one tag, drawn or not. Returns the way to stop. */
  listen(index: number, listener: FrameListener): () => void {
    const set = this.listeners.get(index) ?? new Set();
    this.listeners.set(index, set.add(listener));
    return () => set.delete(listener);
  }
}
