import { useState } from "preact/hooks";
import { holdOrder, orderedAlarms } from "../model/alarms";
import { lost } from "../model/feed";
import { forbidden, loginOpen } from "../model/session";
import { t, type TextKey } from "../texts";
import { AlarmRow } from "./AlarmRow";
import { selectedAlarm, selectedComment } from "./keys";
import "./AlarmList.css";

const COLUMNS: TextKey[] = ["priority", "state", "onset", "duration", "place", "message", "tripLimit", "currentValue", "response", "acknowledgedBy", "acknowledge"];

/** All current alarms: unacknowledged first, then priority, then newest. While a row is selected no other row moves. */
export function AlarmList() {
  const [held, hold] = useState<string[] | null>(null);
  const { rows, waiting } = holdOrder(orderedAlarms.value, held);
  const why = forbidden("alarm.acknowledge");
  const select = (id: string | null): void => {
    selectedAlarm.value = id;
    selectedComment.value = "";
    hold(id === null ? null : (held ?? rows.map((alarm) => alarm.id)));
  };
  return (
    <section class={`alarm-list ${lost.value ? "old" : ""}`} data-testid="alarm-list">
      <header>
        <h2>
          {t("alarms")} <span class="secondary">{rows.length}</span>
        </h2>
        {waiting > 0 && (
          <button type="button" data-testid="new-alarms" onClick={() => select(null)}>
            {waiting} {t("newWaiting")}
          </button>
        )}
        {why && (
          <button type="button" class="bare why" onClick={() => (loginOpen.value = true)}>
            {t(why)}
          </button>
        )}
      </header>
      <table>
        <thead>
          <tr>
            {COLUMNS.map((column) => (
              <th key={column} class={`column-${column}`}>
                {t(column)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((alarm) => (
            <AlarmRow key={alarm.id} alarm={alarm} selected={selectedAlarm.value === alarm.id} onSelect={select} />
          ))}
        </tbody>
      </table>
      {rows.length === 0 && <p class="no-alarms">{t(lost.value ? "alarmsUnknown" : "noAlarms")}</p>}
    </section>
  );
}
