import { acknowledge, acknowledgement } from "../model/act";
import { isUnacknowledged } from "../model/alarms";
import { halfSecond, serverNow } from "../model/clock";
import type { Alarm, AlarmState } from "../model/contract";
import { lost } from "../model/feed";
import { formatAge, zoned } from "../model/format";
import { forbidden } from "../model/session";
import { named, t, type TextKey } from "../texts";
import { AlarmSymbol } from "./AlarmSymbol";
import { TripValue } from "./Banner";
import { useScene } from "./context";
import { selectedComment } from "./keys";
import { RefusalNote } from "./RefusalNote";
import { openAlarm, Value } from "./Value";

const STATES: Record<Exclude<AlarmState, "normal">, TextKey> = {
  unacknowledged: "stateUnacknowledged",
  acknowledged: "stateAcknowledged",
  "returned-unacknowledged": "stateReturned",
  "latched-unacknowledged": "stateLatchedUnacknowledged",
  "latched-acknowledged": "stateLatchedAcknowledged",
  shelved: "stateShelved",
  suppressed: "stateSuppressed",
  "out-of-service": "stateOutOfService",
};

interface RowProps {
  alarm: Alarm;
  selected: boolean;
  onSelect: (id: string | null) => void;
}

export function AlarmRow({ alarm, selected, onSelect }: RowProps) {
  const { index } = useScene();
  const { timezone } = index.plant.site;
  const tag = index.tag(alarm.tag);
  const raised = zoned(Date.parse(alarm.raised_time), timezone);
  const today = zoned(serverNow(), timezone).date;
  const unseen = isUnacknowledged(alarm);
  return (
    <>
      <tr
        class={`alarm-row ${unseen ? "unseen" : ""} ${selected ? "selected" : ""}`}
        data-testid="alarm-row"
        data-alarm-id={alarm.id}
        data-state={alarm.state}
        data-priority={alarm.priority}
        onClick={() => onSelect(selected ? null : alarm.id)}
      >
        <td>
          <AlarmSymbol alarm={alarm} size={26} />
        </td>
        <td class="state">
          <span class="secondary">{alarm.letter}</span> {alarm.state === "normal" ? "" : t(STATES[alarm.state])}
        </td>
        <td class="onset">
          {raised.date !== today && <span class="secondary">{raised.date.slice(5)} </span>}
          {raised.time}
        </td>
        <td>
          <Duration alarm={alarm} />
        </td>
        <td>
          <button type="button" class="bare place" onClick={() => openAlarm(alarm)}>
            <b>{alarm.line ?? alarm.area}</b> <span class="secondary">{alarm.equipment}</span>
          </button>
        </td>
        <td class="message">{named(alarm.message)}</td>
        <td>
          <TripValue alarm={alarm} />
        </td>
        <td onClick={(event) => event.stopPropagation()}>{tag ? <Value tag={tag} opensTrend /> : "–"}</td>
        <td>
          <span class="response secondary">{named(alarm.response)}</span>
        </td>
        <td>
          {alarm.acknowledged_by && (
            <>
              {alarm.acknowledged_by}{" "}
              <span class="secondary">{alarm.acknowledged_time && zoned(Date.parse(alarm.acknowledged_time), timezone).time}</span>
            </>
          )}
        </td>
        <td onClick={(event) => event.stopPropagation()}>{unseen && <AcknowledgeButton alarm={alarm} selected={selected} />}</td>
      </tr>
      <AlarmFoot alarm={alarm} selected={selected} />
    </>
  );
}

/** What stands beneath a row: the refusal of an act, and for the selected row its comment and full name. */
function AlarmFoot({ alarm, selected }: { alarm: Alarm; selected: boolean }) {
  const refusal = acknowledgement(alarm).refusal.value;
  if (!selected && !refusal) return null;
  return (
    <tr class={`alarm-foot ${selected ? "selected" : ""}`}>
      <td colSpan={11}>
        <span class="alarm-foot-line">
          {selected && <span class="secondary">{`${alarm.id} #${alarm.occurrence}`}</span>}
          <RefusalNote refusal={refusal} />
          {selected && isUnacknowledged(alarm) && (
            <input
              data-testid="acknowledge-comment"
              placeholder={t("comment")}
              value={selectedComment.value}
              onInput={(event) => (selectedComment.value = event.currentTarget.value)}
              onKeyDown={(event) => event.key === "Enter" && !forbidden("alarm.acknowledge") && void acknowledge(alarm, selectedComment.value)}
            />
          )}
        </span>
      </td>
    </tr>
  );
}

function AcknowledgeButton({ alarm, selected }: { alarm: Alarm; selected: boolean }) {
  const act = acknowledgement(alarm);
  const why = lost.value ? "feedLostAct" : forbidden("alarm.acknowledge");
  return (
    <button
      type="button"
      data-testid="acknowledge"
      disabled={why !== null || act.pending.value}
      title={why ? t(why) : selected ? "F9" : ""}
      onClick={() => void acknowledge(alarm, selected ? selectedComment.value : "")}
    >
      {act.pending.value ? t("sending") : t("acknowledge")}
    </button>
  );
}

function Duration({ alarm }: { alarm: Alarm }) {
  void halfSecond.value;
  const end_ms = alarm.cleared_time ? Date.parse(alarm.cleared_time) : serverNow();
  return <span class="duration">{formatAge(end_ms - Date.parse(alarm.raised_time))}</span>;
}
