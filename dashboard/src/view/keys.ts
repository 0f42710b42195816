/** F2 overview, F3 alarms, F4 trend, F8 silence, F9 acknowledge the selected alarm, Escape closes the login. */

import { signal } from "@preact/signals";
import { acknowledge, silence } from "../model/act";
import { alarms, isUnacknowledged } from "../model/alarms";
import { lost } from "../model/feed";
import { chosenTag, open, openTrend } from "../model/route";
import { forbidden, loginOpen } from "../model/session";

/** The selected row of the alarm list, by alarm id, and the comment typed for it. */
export const selectedAlarm = signal<string | null>(null);
export const selectedComment = signal("");

export function acknowledgeSelected(): void {
  const alarm = alarms.value.get(selectedAlarm.value ?? "");
  if (alarm && isUnacknowledged(alarm) && !lost.value && !forbidden("alarm.acknowledge")) {
    void acknowledge(alarm, selectedComment.value);
  }
}

const KEYS: Record<string, () => void> = {
  F2: () => open("overview"),
  F3: () => open("alarms"),
  F4: () => (chosenTag.value ? openTrend(chosenTag.value) : open("trend")),
  F8: () => void ((!lost.value && forbidden("annunciator.silence")) || silence()),
  F9: acknowledgeSelected,
};

export function followKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") loginOpen.value = false;
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act();
  });
}
