import { orderedAlarms, worstAlarms } from "../model/alarms";
import type { Alarm } from "../model/contract";
import { chosenTag, open, openTrend, route, type Route } from "../model/route";
import { t } from "../texts";
import { AlarmSymbol } from "./AlarmSymbol";
import { useScene } from "./context";
import "./Rail.css";

/** Every place of the plant in one click, each with the worst alarm that stands there. */
export function Rail() {
  const { index } = useScene();
  return (
    <nav class="rail">
      <Entry view="overview" label={t("overview")} keyName="F2" onOpen={() => open("overview")} />
      <Entry view="alarms" label={t("alarms")} keyName="F3" alarm={orderedAlarms.value[0]} onOpen={() => open("alarms")} />
      <Entry view="trend" label={t("trend")} keyName="F4" onOpen={() => (chosenTag.value ? openTrend(chosenTag.value) : open("trend"))} />
      <hr />
      {index.plant.lines.map((line) => (
        <Entry key={line.id} view="line" id={line.id} label={line.id} alarm={worstAlarms.value.get(line.id)} onOpen={() => open("line", line.id)} />
      ))}
      <hr />
      {index.sharedPlaces().map((area) => (
        <Entry key={area} view="area" id={area} label={area} alarm={worstShared(area)} onOpen={() => open("area", area)} />
      ))}
    </nav>
  );
}

/** The first alarm in list order that stands on an area's shared equipment. */
function worstShared(area: string): Alarm | undefined {
  return orderedAlarms.value.find((alarm) => alarm.area === area && alarm.line === null);
}

interface EntryProps {
  view: Route["view"];
  id?: string;
  label: string;
  keyName?: string;
  alarm?: Alarm | undefined;
  onOpen: () => void;
}

function Entry({ view, id, label, keyName, alarm, onOpen }: EntryProps) {
  const current = route.value;
  const here = current.view === view && (!("id" in current) || current.id === id);
  return (
    <button type="button" class={`bare entry ${here ? "here" : ""}`} data-testid={`rail-${id ?? view}`} onClick={onOpen}>
      <span class="entry-name">
        {label}
        {keyName && <kbd>{keyName}</kbd>}
      </span>
      {alarm && <AlarmSymbol alarm={alarm} size={22} />}
    </button>
  );
}
