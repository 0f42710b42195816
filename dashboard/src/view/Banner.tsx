import { acknowledge, acknowledgement } from "../model/act";
import { bannerAlarms, alarmCounts } from "../model/alarms";
import type { Alarm } from "../model/contract";
import { lost } from "../model/feed";
import { formatLimit, unitText, zoned } from "../model/format";
import { open } from "../model/route";
import { forbidden, loginOpen } from "../model/session";
import { named, t } from "../texts";
import { AlarmSymbol } from "./AlarmSymbol";
import { useScene } from "./context";
import { RefusalNote } from "./RefusalNote";
import { openAlarm, Value } from "./Value";
import "./Banner.css";

const ROWS = 3;

/** The three unacknowledged alarms that matter most. Always there: it cannot be closed or covered. */
export function Banner() {
  const shown = bannerAlarms.value;
  const waiting = alarmCounts.value.reduce((sum, count) => sum + count.unacknowledged, 0) - shown.length;
  const empty = lost.value ? t("alarmsUnknown") : t("noUnacknowledged");
  const why = forbidden("alarm.acknowledge");
  return (
    <section class="banner" data-testid="banner">
      <div class="banner-rows">
        {shown.map((alarm, at) => (
          <BannerRow key={`${alarm.id}#${alarm.occurrence}`} alarm={alarm} waiting={at === ROWS - 1 ? waiting : 0} />
        ))}
        {shown.length === 0 && <p class="banner-row none">{empty}</p>}
      </div>
      {shown.length > 0 && why && (
        <button type="button" class="bare banner-why" onClick={() => (loginOpen.value = true)}>
          {t(why)}
        </button>
      )}
    </section>
  );
}

function BannerRow({ alarm, waiting }: { alarm: Alarm; waiting: number }) {
  const { index } = useScene();
  const { timezone } = index.plant.site;
  const act = acknowledgement(alarm);
  const why = lost.value ? "feedLostAct" : forbidden("alarm.acknowledge");
  const tag = index.tag(alarm.tag);
  return (
    <div class="banner-row" data-testid="banner-row" data-alarm-id={alarm.id}>
      <AlarmSymbol alarm={alarm} size={26} />
      <time>{zoned(Date.parse(alarm.raised_time), timezone).time}</time>
      <b class="place">{alarm.equipment}</b>
      <button type="button" class="bare banner-message" onClick={() => openAlarm(alarm)}>
        {named(alarm.message)}
      </button>
      <TripValue alarm={alarm} />
      <span class="now">{tag && <Value tag={tag} opensTrend />}</span>
      {act.refusal.value ? <RefusalNote refusal={act.refusal.value} /> : <span class="response secondary">{named(alarm.response)}</span>}
      {waiting > 0 && (
        <button type="button" class="bare secondary" onClick={() => open("alarms")}>
          +{waiting}
        </button>
      )}
      <button
        type="button"
        data-testid="banner-acknowledge"
        disabled={why !== null || act.pending.value}
        title={why ? t(why) : ""}
        onClick={() => void acknowledge(alarm, "")}
      >
        {act.pending.value ? t("sending") : t("acknowledge")}
      </button>
    </div>
  );
}

/** The value that tripped and the limit it passed: `−4.1 / 0 Pa`. */
export function TripValue({ alarm }: { alarm: Alarm }) {
  if (alarm.value === null) return <span class="trip secondary">–</span>;
  return (
    <span class="trip">
      {formatLimit(alarm.value)}
      {alarm.limit !== null && <span class="secondary"> / {formatLimit(alarm.limit)}</span>}
      <span class="secondary"> {unitText(alarm.unit)}</span>
    </span>
  );
}
