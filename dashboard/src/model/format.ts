/** Numbers, ages and times as a person reads them: no trailing zero lost, no unit guessed, plant time by name. */

import type { Legend, Names, Tag } from "./contract";

export type Language = "zh" | "en";

export const MINUS = "\u2212";

/** Decimals that a resolution justifies: 0.1 gives 1, 0.25 gives 1, 1 and above give 0. */
export function decimalsOf(resolution: number): number {
  if (!(resolution > 0)) return 0;
  return Math.min(6, Math.max(0, Math.ceil(-Math.log10(resolution) - 1e-9)));
}

/** Decimals beyond which a unit's digits are noise to a person, however fine the sensor resolves. */
const MOST_DECIMALS: Record<string, number> = { "°C": 1, "%": 1, "%RH": 0, Pa: 1, kPa: 1, "m/s": 2, "1/m³": 0, "/m³": 0 };

/** Decimals for a value of a tag; ppm shows a tenth below 10, where the release limit lies. */
export function decimalsFor(tag: Pick<Tag, "kind" | "resolution" | "unit">, value: number): number {
  if (tag.kind !== "float") return 0;
  if (tag.unit === "ppm") return Math.abs(value) < 10 ? 1 : 0;
  const most = MOST_DECIMALS[tag.unit ?? ""] ?? 6;
  return Math.min(most, tag.resolution === null ? decimalsOfThreeDigits(value) : decimalsOf(tag.resolution));
}

/** Where no resolution is known three digits are shown: 0.0283, 4.41, 120. */
function decimalsOfThreeDigits(value: number): number {
  if (value === 0) return 1;
  return Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))));
}

/** A unit as shown beside its number: `/m³` for the configuration's `1/m³`. */
export function unitText(unit: string | null): string {
  return (unit ?? "").replace(/^1\//, "/");
}

/** Seconds since 1970 (a device's clock, a due date), told by a range that no duration has. */
export function isInstant(tag: Pick<Tag, "kind" | "unit" | "range">): boolean {
  return tag.kind === "integer" && tag.unit === "s" && (tag.range?.[1] ?? 0) > 1e9;
}

/** A number with fixed decimals, a real minus sign, thousands grouped, and never a negative zero. */
export function formatNumber(value: number, decimals: number): string {
  const digits = Math.abs(value).toFixed(decimals);
  const [whole = "0", fraction] = digits.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const text = fraction === undefined ? grouped : `${grouped}.${fraction}`;
  return value < 0 && /[1-9]/.test(digits) ? MINUS + text : text;
}

const YES_NO = { zh: ["否", "是"], en: ["no", "yes"] } as const;

export function formatReading(tag: Tag, value: number, language: Language): string {
  if (tag.legend) return legendText(tag.legend, value, language);
  if (tag.kind === "boolean") return YES_NO[language][value === 0 ? 0 : 1];
  if (isInstant(tag)) return new Date(value * 1000).toISOString().slice(0, 19).replace("T", " ");
  return formatNumber(value, decimalsFor(tag, value));
}

export function legendText(legend: Legend, value: number, language: Language): string {
  const names = legend[String(Math.round(value))];
  return names ? names[language] : `${Math.round(value)}?`;
}

/** A limit as short as its own digits allow (10, 36.5, 0.36), so that 10 Pa does not pretend to be 10.0. */
export function formatLimit(value: number): string {
  const text = Number(Math.abs(value).toPrecision(6)).toString();
  const decimals = text.includes("e") ? 0 : (text.split(".")[1]?.length ?? 0);
  return formatNumber(value, decimals);
}

/** An age in one glance: `4 s`, `2:05`, `3 h 07`, `2 d`. Below a second it is `1 s`: one scan is the unit of time here. */
export function formatAge(age_ms: number): string {
  const seconds = Math.max(1, Math.round(age_ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${pad(seconds % 60)}`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${pad(minutes % 60)}` : `${Math.floor(hours / 24)} d`;
}

/** A duration as a clock shows it: `00:07`, `12:40`, `1:02:09`. */
export function formatClockSpan(span_ms: number): string {
  const seconds = Math.max(0, Math.floor(span_ms / 1000));
  const hours = Math.floor(seconds / 3600);
  const rest = `${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

export function pad(number: number): string {
  return String(number).padStart(2, "0");
}

export interface ZonedTime {
  date: string;
  time: string;
  zone: string;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatIn(timezone: string): Intl.DateTimeFormat {
  const known = formats.get(timezone);
  if (known) return known;
  const made = new Intl.DateTimeFormat("en-GB", {
    timeZone: timezone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "shortOffset",
  });
  formats.set(timezone, made);
  return made;
}

/** Date, time of day and offset (`UTC+8`) of an instant in a time zone. */
export function zoned(time_ms: number, timezone: string): ZonedTime {
  const parts: Record<string, string> = {};
  for (const part of formatIn(timezone).formatToParts(time_ms)) parts[part.type] = part.value;
  return {
    date: `${parts["year"]}-${parts["month"]}-${parts["day"]}`,
    time: `${parts["hour"]}:${parts["minute"]}:${parts["second"]}`,
    zone: (parts["timeZoneName"] ?? "UTC").replace("GMT", "UTC"),
  };
}

/** A name in the chosen language, or in the other where one is empty. */
export function nameIn(names: Names, language: Language): string {
  return names[language] || names.en || names.zh;
}
