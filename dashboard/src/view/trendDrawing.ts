/** What the trend shows besides its line: the normal band, the limits by name, and where the readings are not good. */

import type uPlot from "uplot";
import type { Alarm, Tag } from "../model/contract";
import { formatLimit } from "../model/format";
import { normalBand } from "../model/scale";
import { UNCERTAIN } from "../model/quality";

interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Draws clipped to the plot's box, in device pixels, and leaves the canvas as it was. */
function inside(plot: uPlot, draw: (canvas: CanvasRenderingContext2D, box: Box) => void): void {
  const canvas = plot.ctx;
  canvas.save();
  canvas.beginPath();
  canvas.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
  canvas.clip();
  draw(canvas, plot.bbox);
  canvas.restore();
}

const yOf = (plot: uPlot, value: number): number => plot.valToPos(value, "y", true);
const xOf = (plot: uPlot, time_s: number): number => plot.valToPos(time_s, "x", true);

export function drawBand(plot: uPlot, tag: Tag, colour: string): void {
  const { low, high } = normalBand(tag);
  if (low === null && high === null) return;
  inside(plot, (canvas, box) => {
    const top = high === null ? box.top : Math.max(box.top, yOf(plot, high));
    const bottom = low === null ? box.top + box.height : Math.min(box.top + box.height, yOf(plot, low));
    canvas.globalAlpha = 0.45;
    canvas.fillStyle = colour;
    canvas.fillRect(box.left, top, box.width, Math.max(0, bottom - top));
  });
}

export function drawLimits(plot: uPlot, tag: Tag, look: { line: string; strong: string; paper: string; font: string }): void {
  const ratio = devicePixelRatio;
  inside(plot, (canvas, box) => {
    canvas.font = look.font.replace(/(\d+)px/, (_, px: string) => `${Number(px) * ratio}px`);
    canvas.textAlign = "left";
    canvas.textBaseline = "middle";
    let [beside, above] = [0, -Infinity];
    for (const limit of [...tag.limits].sort((a, b) => b.value - a.value)) {
      const y = yOf(plot, limit.value);
      if (y < box.top || y > box.top + box.height) continue;
      canvas.strokeStyle = limit.priority <= 2 ? look.strong : look.line;
      canvas.lineWidth = (limit.priority <= 2 ? 2 : 1) * ratio;
      canvas.setLineDash([8 * ratio, 5 * ratio]);
      canvas.beginPath();
      canvas.moveTo(box.left, y);
      canvas.lineTo(box.left + box.width, y);
      canvas.stroke();
      const label = `P${limit.priority} ${limit.side === "low" ? "<" : ">"} ${formatLimit(limit.value)}`;
      const width = canvas.measureText(label).width + 10 * ratio;
      const middle = Math.min(Math.max(y, box.top + 11 * ratio), box.top + box.height - 11 * ratio);
      // A label that would cover the one above it stands beside it.
      beside = middle - above < 21 * ratio ? beside + width + 4 * ratio : 6 * ratio;
      above = middle;
      canvas.fillStyle = look.paper;
      canvas.fillRect(box.left + beside, middle - 11 * ratio, width, 22 * ratio);
      canvas.fillStyle = look.strong;
      canvas.fillText(label, box.left + beside + 5 * ratio, middle);
    }
  });
}

const STRIP_PX = 9;

/** A strip along the foot: hatched where nothing good was read, dotted where it is uncertain. */
export function drawBlemishes(
  plot: uPlot,
  blemishes: { from_s: number; to_s: number; quality: number }[],
  look: { bad: string; doubt: string },
): void {
  const ratio = devicePixelRatio;
  inside(plot, (canvas, box) => {
    const height = STRIP_PX * ratio;
    const top = box.top + box.height - height;
    for (const { from_s, to_s, quality } of blemishes) {
      const left = Math.max(box.left, xOf(plot, from_s));
      const width = Math.max(2 * ratio, Math.min(box.left + box.width, xOf(plot, to_s)) - left);
      const doubtful = quality === UNCERTAIN;
      if (!doubtful) {
        canvas.globalAlpha = 0.1;
        canvas.fillStyle = look.bad;
        canvas.fillRect(left, box.top, width, box.height);
      }
      canvas.globalAlpha = 1;
      canvas.fillStyle = doubtful ? look.doubt : look.bad;
      const step = (doubtful ? 6 : 4) * ratio;
      for (let x = left; x < left + width; x += step) canvas.fillRect(x, top, 2.5 * ratio, height);
    }
  });
}

/** When each standing alarm of this tag was raised: a line from top to foot with the priority at its head. */
export function drawAlarms(plot: uPlot, alarms: readonly Alarm[], look: { line: string; paper: string; font: string }): void {
  const ratio = devicePixelRatio;
  inside(plot, (canvas, box) => {
    canvas.font = look.font.replace(/(\d+)px/, (_, px: string) => `${Number(px) * ratio}px`);
    canvas.textAlign = "center";
    canvas.textBaseline = "middle";
    canvas.lineWidth = 1.5 * ratio;
    for (const alarm of alarms) {
      const x = xOf(plot, Date.parse(alarm.raised_time) / 1000);
      if (x < box.left) continue;
      canvas.strokeStyle = look.line;
      canvas.strokeRect(x, box.top, 0, box.height);
      const middle = Math.min(x, box.left + box.width - 16 * ratio);
      canvas.fillStyle = look.line;
      canvas.fillRect(middle - 15 * ratio, box.top, 30 * ratio, 22 * ratio);
      canvas.fillStyle = look.paper;
      canvas.fillText(`P${alarm.priority}`, middle, box.top + 11 * ratio);
    }
  });
}
