import { useSignal } from "@preact/signals";
import type { Tag } from "../model/contract";
import { formatLimit, formatReading, unitText, zoned } from "../model/format";
import { GOOD, UNCERTAIN } from "../model/quality";
import { language, named, t, type TextKey } from "../texts";
import { useScene } from "./context";
import { TrendPlot, type Reading } from "./TrendPlot";
import { useHistory, WINDOW_S } from "./useHistory";
import { Value } from "./Value";
import "./Trend.css";

/** One tag's last hour, then live: limits as lines, gaps as gaps, what is not good marked beneath. */
export function Trend({ tag }: { tag: Tag }) {
  const { series, revision, state } = useHistory(tag);
  const under = useSignal<Reading | null>(null);
  const plain = tag.kind === "text";
  const note: TextKey | null = plain ? "trendText" : state.value === "ready" ? null : state.value === "loading" ? "trendLoading" : "trendFailed";
  return (
    <section class="trend" data-testid="trend" data-tag={tag.id} data-history={state.value}>
      <header>
        <h3>
          {named(tag.name)} <span class="secondary">{tag.id}</span>
        </h3>
        <span class="trend-note">{note && t(note)}</span>
        <Readout tag={tag} reading={under.value} />
        <Value tag={tag} withAge />
      </header>
      {!plain && <TrendPlot tag={tag} series={series} revision={revision} window_s={WINDOW_S} under={under} />}
      <footer class="secondary">
        <span>{t("lastHour")}</span>
        <span>
          <i class="key uncertain" /> {t("trendUncertain")}
        </span>
        <span>
          <i class="key gap" /> {t("trendGap")}
        </span>
        <Limits tag={tag} />
      </footer>
    </section>
  );
}

/** The reading under the pointer. */
function Readout({ tag, reading }: { tag: Tag; reading: Reading | null }) {
  const { timezone } = useScene().index.plant.site;
  if (!reading) return null;
  const quality = reading.quality === GOOD ? "good" : reading.quality === UNCERTAIN ? "uncertain" : "bad";
  return (
    <span class="readout">
      {zoned(reading.time_s * 1000, timezone).time}{" "}
      <b>{reading.value === null ? "✕" : formatReading(tag, reading.value, language.value)}</b>{" "}
      <span class="secondary">
        {reading.value === null ? "" : unitText(tag.unit)} {t(quality)}
      </span>
    </span>
  );
}

function Limits({ tag }: { tag: Tag }) {
  const words = tag.limits.map((limit) => `P${limit.priority} ${limit.side === "low" ? "<" : ">"} ${formatLimit(limit.value)}`);
  if (tag.setpoint !== null) words.push(`${t("setpoint")} ${formatLimit(tag.setpoint)}`);
  if (words.length === 0) return null;
  return (
    <span class="trend-limits">
      {t("limits")}: {words.join(" · ")} {unitText(tag.unit)}
    </span>
  );
}
