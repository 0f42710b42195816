/** A reading as it may be shown now: dress, text, unit, age. Computed only for tags on the screen, and equal results wake nobody. */

import { computed, type ReadonlySignal } from "@preact/signals";
import { language, reasonText } from "../texts";
import { halfSecond, serverNow } from "./clock";
import type { Tag } from "./contract";
import { lost } from "./feed";
import { formatAge, formatReading, isInstant, unitText } from "./format";
import { BAD, dressOf, dressOfText, type Dress } from "./quality";
import type { Values } from "./values";

export interface Shown {
  dress: Dress;
  /** The number or word; empty where there is none to show. */
  text: string;
  unit: string;
  /** Age of the reading, or for a Bad one since when it is not good; empty where unknown. */
  age: string;
  reason: string | null;
  /** For bars and cells; NaN unless there is a number. */
  value: number;
}

export function shownSignal(values: Values, tag: Tag): ReadonlySignal<Shown> {
  const index = values.index.get(tag.id) as number;
  let before: Shown | null = null;
  return computed(() => {
    void values.revision(index).value;
    void halfSecond.value;
    const now = tag.kind === "text" ? showText(values, index) : showNumber(values, index, tag);
    if (before && same(before, now)) return before;
    before = now;
    return now;
  });
}

function showText(values: Values, index: number): Shown {
  const text = values.text.get(index);
  return { dress: dressOfText(text, lost.value), text: text ?? "", unit: "", age: "", reason: null, value: NaN };
}

function showNumber(values: Values, index: number, tag: Tag): Shown {
  const value = values.value[index] as number;
  const quality = values.quality[index] as number;
  const now_ms = serverNow();
  const age_ms = values.age_ms(index, now_ms);
  const interval_ms = tag.polled ? null : (values.interval_ms[index] as number);
  const dress = dressOf({ quality, age_ms, interval_ms, lost: lost.value });
  const since_ms = quality === BAD ? now_ms - (values.good_ms[index] || now_ms) : age_ms;
  return {
    dress,
    text: Number.isNaN(value) || dress === "missing" ? "" : formatReading(tag, value, language.value),
    unit: isInstant(tag) ? "UTC" : unitText(tag.unit),
    age: dress === "missing" || since_ms <= 0 ? "" : formatAge(since_ms),
    reason: quality === BAD || dress === "uncertain" ? reasonText(values.reason[index] ?? null) : null,
    value,
  };
}

function same(a: Shown, b: Shown): boolean {
  return (
    Object.is(a.value, b.value) &&
    a.text === b.text &&
    a.dress === b.dress &&
    a.age === b.age &&
    a.reason === b.reason
  );
}
