import type { Alarm, Tag } from "../model/contract";
import { chosenTag, open, route, openTrend } from "../model/route";
import type { Shown } from "../model/shown";
import { named, t } from "../texts";
import { useShown } from "./context";
import "./Value.css";

interface ValueProps {
  tag: Tag;
  /** Age beside good values too; what is not good always shows its age. */
  withAge?: boolean;
  withUnit?: boolean;
  /** A click opens the trend view; otherwise the tag's trend appears where the reader already is. */
  opensTrend?: boolean;
}

/** A live reading. A click makes it the trend's tag. */
export function Value({ tag, withAge = false, withUnit = true, opensTrend = false }: ValueProps) {
  const shown = useShown(tag);
  return (
    <button
      type="button"
      class={`bare value ${shown.dress}`}
      data-testid="value"
      data-tag={tag.id}
      data-dress={shown.dress}
      title={`${named(tag.name)} · ${tag.id} · ${t(shown.dress)}${shown.reason ? ` · ${shown.reason}` : ""}`}
      onClick={() => (opensTrend || route.value.view === "trend" ? openTrend(tag.id) : (chosenTag.value = tag.id))}
    >
      <Dressed shown={shown} withUnit={withUnit} />
      {withAge && <span class="age">{shown.age}</span>}
      {!withAge && (shown.dress === "stale" || shown.dress === "bad") && <span class="age">{shown.age}</span>}
    </button>
  );
}

/** From an alarm to its place in one act, its tag's trend beside it. */
export function openAlarm(alarm: Alarm): void {
  if (alarm.tag) chosenTag.value = alarm.tag;
  if (alarm.line) open("line", alarm.line);
  else if (alarm.area) open("area", alarm.area);
}

/** Only good wears a plain number; each other dress differs in shape as well as in tone. */
function Dressed({ shown, withUnit }: { shown: Shown; withUnit: boolean }) {
  const unit = withUnit && shown.unit ? <span class="unit">{shown.unit}</span> : null;
  switch (shown.dress) {
    case "missing":
      return <span class="nothing">– –</span>;
    case "bad":
      return (
        <span class="chip">
          ✕ {shown.reason ?? t("bad")}
        </span>
      );
    case "stale":
      return (
        <>
          <span class="old">
            <Clock />
            {shown.text || "✕"}
          </span>
          {unit}
        </>
      );
    case "uncertain":
      return (
        <>
          <span class="number doubted">{shown.text}</span>
          <span class="doubt">?</span>
          {unit}
        </>
      );
    case "good":
      return (
        <>
          <span class="number">{shown.text || "–"}</span>
          {unit}
        </>
      );
  }
}

export function Clock() {
  return (
    <svg class="clock" width="0.8em" height="0.8em" viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="6.5" />
      <path d="M8 4V8.5L11 10.5" />
    </svg>
  );
}
