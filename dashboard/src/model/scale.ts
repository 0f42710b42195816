/** Where a value lies on its bar, and what a trend's axis must hold. */

import type { Limit, Tag } from "./contract";
import { isInstant } from "./format";

/** Particles span decades, so their bars are logarithmic with a place for zero. */
export function isLogarithmic(tag: Tag): boolean {
  const counted = /^1?\/m³$/.test(tag.unit ?? "") || (tag.kind === "integer" && tag.limits.length > 0);
  return counted && tag.range !== null && tag.range[0] >= 0 && tag.range[1] >= 10_000;
}

/** Bare integers without limits (heartbeats, addresses, bit fields) and instants have no place on a bar. */
function isMeasured(tag: Tag): boolean {
  if (tag.legend || tag.kind === "boolean" || tag.kind === "text" || isInstant(tag)) return false;
  return tag.kind === "float" || tag.limits.length > 0 || (tag.unit ?? "") !== "";
}

export interface Scale {
  low: number;
  high: number;
  logarithmic: boolean;
}

/** The tag's range; for counts at most 30 times the widest limit, so that the limits stand in sight. Null without a range. */
export function scaleOf(tag: Tag): Scale | null {
  if (!tag.range || !isMeasured(tag) || !(tag.range[1] > tag.range[0])) return null;
  const [low, high] = tag.range;
  if (!isLogarithmic(tag)) return { low, high, logarithmic: false };
  const widest = Math.max(0, ...tag.limits.map((limit) => limit.value));
  return { low, high: widest > 0 ? Math.min(high, widest * 30) : high, logarithmic: true };
}

/** Place on the bar from 0 to 1, held at the ends. */
export function placeOn(scale: Scale, value: number): number {
  const at = (x: number): number => (scale.logarithmic ? Math.log10(1 + Math.max(0, x)) : x);
  const place = (at(value) - at(scale.low)) / (at(scale.high) - at(scale.low));
  return Math.min(1, Math.max(0, place));
}

/** The band inside all limits: from the highest low limit to the lowest high limit. */
export function normalBand(tag: Tag): { low: number | null; high: number | null } {
  return { low: innermost(tag.limits, "low"), high: innermost(tag.limits, "high") };
}

function innermost(limits: readonly Limit[], side: "low" | "high"): number | null {
  const values = limits.filter((limit) => limit.side === side).map((limit) => limit.value);
  if (values.length === 0) return null;
  return side === "low" ? Math.max(...values) : Math.min(...values);
}

/** Limits further from the data than this share of the tag's range stay outside the trend. */
const LIMIT_REACH = 0.35;
/** For counts, whose range says nothing, further than ten times the data's own span (at least 5). */
const SPAN_REACH = 10;
const LEAST_SPAN = 5;
const MARGIN = 0.08;

/** The trend's axis: the data, the setpoint and the innermost limits that are near, with a margin; never thinner than ten resolutions. */
export function trendRange(tag: Tag, low: number, high: number): [number, number] {
  const span = high - low;
  const rangeSpan = tag.range ? tag.range[1] - tag.range[0] : span;
  const reach = isLogarithmic(tag) ? SPAN_REACH * Math.max(span, LEAST_SPAN) : LIMIT_REACH * rangeSpan;
  const band = normalBand(tag);
  let [bottom, top] = [low, high];
  for (const mark of [band.low, band.high, tag.setpoint]) {
    if (mark === null) continue;
    if (mark < bottom && low - mark <= reach) bottom = mark;
    if (mark > top && mark - high <= reach) top = mark;
  }
  const least = 10 * (tag.resolution ?? 0.1);
  if (top - bottom < least) {
    const floor = tag.range && bottom >= tag.range[0] ? tag.range[0] : -Infinity;
    bottom = Math.max(floor, (top + bottom - least) / 2);
    top = bottom + least;
  }
  const margin = (top - bottom) * MARGIN;
  return [bottom - margin, top + margin];
}
