/**
 * One tag's last hour as columns for the trend. A gap is a row of nulls, so that no line is ever drawn across time in
 * which nothing was read.
 */

import type { ReadingRow } from "./contract";
import { BAD, GOOD, UNCERTAIN } from "./quality";

const QUALITY = { Good: GOOD, Uncertain: UNCERTAIN, Bad: BAD } as const;

export class Series {
  readonly time_s: number[] = [];
  readonly value: (number | null)[] = [];
  readonly quality: number[] = [];

  /** @param gap_s longest step between two readings that still counts as unbroken. */
  constructor(
    readonly gap_s: number,
    readonly window_s: number,
  ) {}

  static from(rows: readonly ReadingRow[], gap_s: number, window_s: number): Series {
    const series = new Series(gap_s, window_s);
    for (const row of rows) series.append(Date.parse(row.time) / 1000, row.value, QUALITY[row.quality]);
    return series;
  }

  /** This series with what another has beyond its end. */
  followedBy(other: Series): this {
    other.time_s.forEach((time_s, at) => this.append(time_s, other.value[at] ?? null, other.quality[at] as number));
    return this;
  }

  get last_s(): number {
    return this.time_s[this.time_s.length - 1] ?? -Infinity;
  }

  /** Adds a reading that is newer than all before; an older one or a repeated one is left out. */
  append(time_s: number, value: number | null, quality: number): void {
    const last_s = this.last_s;
    if (!(time_s > last_s)) return;
    if (this.time_s.length > 0 && time_s - last_s > this.gap_s) this.push(last_s + this.gap_s / 2, null, BAD);
    const known = value === null || Number.isNaN(value) || quality === BAD ? null : value;
    this.push(time_s, known, known === null ? BAD : quality);
    this.trim(time_s - this.window_s);
  }

  private push(time_s: number, value: number | null, quality: number): void {
    this.time_s.push(time_s);
    this.value.push(value);
    this.quality.push(quality);
  }

  /** Lets go of what has left the window, a minute at a time. */
  private trim(from_s: number): void {
    if ((this.time_s[0] ?? from_s) >= from_s - 60) return;
    const keep = this.time_s.findIndex((time_s) => time_s >= from_s);
    for (const column of [this.time_s, this.value, this.quality]) column.splice(0, keep);
  }

  /** Good and uncertain readings as two lines that meet: an uncertain stretch begins at the last good point. */
  columns(): [number[], (number | null)[], (number | null)[]] {
    const good = this.value.map((value, at) => (this.quality[at] === GOOD ? value : null));
    const uncertain = this.value.map((value, at) =>
      this.quality[at] === UNCERTAIN || this.quality[at + 1] === UNCERTAIN || this.quality[at - 1] === UNCERTAIN ? value : null,
    );
    return [this.time_s, good, uncertain];
  }

  /** Stretches that are not good, with what they are; the last may run up to `end_s`. */
  blemishes(end_s: number): { from_s: number; to_s: number; quality: number }[] {
    const found: { from_s: number; to_s: number; quality: number }[] = [];
    for (let at = 0; at < this.time_s.length; at++) {
      const quality = this.quality[at] as number;
      if (quality === GOOD) continue;
      const from_s = this.time_s[at] as number;
      const to_s = this.time_s[at + 1] ?? end_s;
      const before = found[found.length - 1];
      if (before && before.quality === quality && before.to_s === from_s) before.to_s = to_s;
      else found.push({ from_s, to_s, quality });
    }
    const last_s = this.last_s;
    if (end_s - last_s > this.gap_s) found.push({ from_s: last_s, to_s: end_s, quality: BAD });
    return found;
  }
}
