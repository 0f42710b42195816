import type { Tag } from "../model/contract";
import { normalBand, placeOn, scaleOf, type Scale } from "../model/scale";
import { formatLimit } from "../model/format";
import { useShown } from "./context";
import "./Bar.css";

const percent = (place: number): string => `${(place * 100).toFixed(2)}%`;

/** A moving pointer over the tag's range: normal band, a tick for each limit, the setpoint beneath. No pointer where there is no fresh number. */
export function Bar({ tag }: { tag: Tag }) {
  const scale = scaleOf(tag);
  if (!scale) return <span class="no-bar" />;
  return (
    <span class="bar" aria-hidden="true">
      <Furniture tag={tag} scale={scale} />
      <Pointer tag={tag} scale={scale} />
    </span>
  );
}

function Furniture({ tag, scale }: { tag: Tag; scale: Scale }) {
  const band = normalBand(tag);
  const left = band.low === null ? 0 : placeOn(scale, band.low);
  const right = band.high === null ? 1 : placeOn(scale, band.high);
  const banded = band.low !== null || band.high !== null;
  return (
    <>
      {banded && right > left && <i class="band" style={{ left: percent(left), width: percent(right - left) }} />}
      {tag.limits.map((limit) => (
        <i
          key={limit.alarm}
          class={`tick ${limit.priority <= 2 ? "strong" : ""}`}
          style={{ left: percent(placeOn(scale, limit.value)) }}
          title={`P${limit.priority} ${limit.side === "low" ? "<" : ">"} ${formatLimit(limit.value)}`}
        />
      ))}
      {tag.setpoint !== null && <i class="setpoint" style={{ left: percent(placeOn(scale, tag.setpoint)) }} />}
    </>
  );
}

function Pointer({ tag, scale }: { tag: Tag; scale: Scale }) {
  const shown = useShown(tag);
  const known = !Number.isNaN(shown.value) && shown.dress !== "missing" && shown.dress !== "bad";
  if (!known) return <i class="no-pointer" />;
  const hollow = shown.dress === "stale";
  return <i class={`pointer ${hollow ? "hollow" : ""}`} style={{ left: percent(placeOn(scale, shown.value)) }} />;
}
