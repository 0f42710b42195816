import { effect, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { alarms, compareAlarms, isSetAside } from "../model/alarms";
import { serverNow } from "../model/clock";
import type { Alarm, Tag } from "../model/contract";
import { formatLimit, formatNumber, formatReading, zoned } from "../model/format";
import { trendRange } from "../model/scale";
import type { Series } from "../model/series";
import { theme } from "../model/theme";
import { language } from "../texts";
import { useScene } from "./context";
import { drawAlarms, drawBand, drawBlemishes, drawLimits } from "./trendDrawing";

export interface Reading {
  time_s: number;
  value: number | null;
  quality: number;
}

interface PlotProps {
  tag: Tag;
  series: { current: Series };
  /** Rises whenever the series has grown. */
  revision: Signal<number>;
  window_s: number;
  under: Signal<Reading | null>;
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** The drawing itself, made anew for another theme or language and fed as readings come. */
export function TrendPlot({ tag, series, revision, window_s, under }: PlotProps) {
  const { timezone } = useScene().index.plant.site;
  const place = useRef<HTMLDivElement>(null);
  const look = `${theme.value} ${language.value}`;

  useEffect(() => {
    const element = place.current as HTMLDivElement;
    const plot = new uPlot(optionsFor(tag, series, timezone, window_s, under, element), [[], [], []], element);
    const stop = effect(() => {
      void revision.value;
      plot.setData(series.current.columns());
    });
    const fit = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: element.clientHeight }));
    fit.observe(element);
    return () => {
      stop();
      fit.disconnect();
      plot.destroy();
    };
  }, [tag, look, timezone]);

  return <div class="trend-plot" ref={place} />;
}

function optionsFor(
  tag: Tag,
  series: { current: Series },
  timezone: string,
  window_s: number,
  under: Signal<Reading | null>,
  element: HTMLElement,
): uPlot.Options {
  const font = `16px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: colour("text2"), font, grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("divider"), width: 1 } };
  const stepped = tag.kind === "state" || tag.kind === "boolean" ? uPlot.paths.stepped?.({ align: 1 }) : undefined;
  const line = { width: 1.75, spanGaps: false, points: { show: tag.polled ? false : true, size: 5 }, ...(stepped && { paths: stepped }) };
  const end_s = (): number => Math.max(serverNow() / 1000, series.current.last_s);
  return {
    width: element.clientWidth,
    height: element.clientHeight,
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: {
      x: { time: true, range: () => [end_s() - window_s, end_s()] },
      y: { range: (_, low, high) => yRange(tag, low, high) },
    },
    axes: [
      {
        ...axis,
        space: 110,
        values: (_, times) => times.map((time_s) => zoned(time_s * 1000, timezone).time.slice(0, 5)),
        incrs: [300, 600, 900, 1800],
      },
      {
        ...axis,
        size: tag.legend ? 110 : 72,
        space: 34,
        ...(tag.legend && { splits: () => Object.keys(tag.legend ?? {}).map(Number) }),
        values: (_, marks) => marks.map((mark) => formatMark(tag, mark, marks)),
      },
    ],
    series: [
      {},
      { ...line, stroke: colour("pen") },
      { ...line, stroke: colour("pen-uncertain"), dash: [5, 4] },
    ],
    hooks: {
      drawClear: [(plot) => drawBand(plot, tag, colour("band"))],
      draw: [
        (plot) => drawAlarms(plot, alarmsOf(tag), { line: colour("text"), paper: colour("raised"), font }),
        (plot) => drawLimits(plot, tag, { line: colour("text2"), strong: colour("text"), font, paper: colour("raised") }),
        (plot) => drawBlemishes(plot, series.current.blemishes(end_s()), { bad: colour("bad-fill"), doubt: colour("pen-uncertain") }),
      ],
      setCursor: [(plot) => (under.value = readingAt(series.current, plot))],
    },
  };
}

/** The worst last, so that it is drawn on top. */
function alarmsOf(tag: Tag): Alarm[] {
  return [...alarms.peek().values()].filter((alarm) => alarm.tag === tag.id && !isSetAside(alarm)).sort(compareAlarms).reverse();
}

function yRange(tag: Tag, low: number | null, high: number | null): [number, number] {
  if (tag.legend || tag.kind === "boolean") {
    const keys = Object.keys(tag.legend ?? { 0: 0, 1: 1 }).map(Number);
    return [Math.min(...keys) - 0.4, Math.max(...keys) + 0.4];
  }
  const known = low !== null && high !== null && Number.isFinite(low) && Number.isFinite(high);
  if (known) return trendRange(tag, low, high);
  const middle = tag.setpoint ?? tag.limits[0]?.value ?? 0;
  return trendRange(tag, middle, middle);
}

/** Axis marks take the decimals that tell them apart, never fewer than the tag's own. */
function formatMark(tag: Tag, mark: number, marks: readonly number[]): string {
  if (tag.legend) return formatReading(tag, mark, language.value);
  const step = marks.length > 1 ? Math.abs((marks[1] as number) - (marks[0] as number)) : 1;
  return formatNumber(mark, formatLimit(step).split(".")[1]?.length ?? 0);
}

function readingAt(series: Series, plot: uPlot): Reading | null {
  const at = plot.cursor.idx;
  const time_s = at === null || at === undefined ? undefined : series.time_s[at];
  if (time_s === undefined || (plot.cursor.left ?? -1) < 0) return null;
  return { time_s, value: series.value[at as number] ?? null, quality: series.quality[at as number] as number };
}
