import { useEffect, useMemo } from "preact/hooks";
import { worstAlarms } from "../model/alarms";
import type { Equipment } from "../model/contract";
import type { PlantIndex } from "../model/plant";
import { snapshots } from "../model/feed";
import { chosenTag } from "../model/route";
import { named, t } from "../texts";
import { AlarmSymbol } from "./AlarmSymbol";
import { useScene } from "./context";
import { EquipmentPanel } from "./EquipmentPanel";
import { Honeycomb } from "./Honeycomb";
import { keyTags } from "./LineTile";
import { RoomPanel } from "./RoomPanel";
import { Trend } from "./Trend";
import "./LineView.css";

const BARRIERS = ["isolator", "biosafety_cabinet", "air_handling_unit", "retention_store"];
const INCUBATORS = ["honeycomb_incubator", "co2_incubator"];

interface Columns {
  rooms: [string | null, Equipment[]][];
  barriers: Equipment[];
  incubators: Equipment[];
}

function columnsOf(equipment: readonly Equipment[]): Columns {
  const barriers = equipment.filter((one) => BARRIERS.includes(one.type));
  const incubators = equipment.filter((one) => INCUBATORS.includes(one.type));
  const rooms = new Map<string | null, Equipment[]>();
  for (const one of equipment) {
    if (barriers.includes(one) || incubators.includes(one)) continue;
    rooms.set(one.room, [...(rooms.get(one.room) ?? []), one]);
  }
  const monitorFirst = (one: Equipment): number => (one.type === "room_monitor" ? 0 : 1);
  const sorted = [...rooms].map(([room, contents]): [string | null, Equipment[]] => [
    room,
    [...contents].sort((a, b) => monitorFirst(a) - monitorFirst(b)),
  ]);
  return { rooms: sorted, barriers, incubators };
}

/** The tag that the trend shows until another is clicked: the line's barrier, else the first that is a number. */
function firstTag(index: PlantIndex, id: string, equipment: readonly Equipment[]): string | null {
  const line = index.line(id);
  const key = line && keyTags(index, line)[0]?.tag;
  return (key ?? equipment.flatMap((one) => index.tagsOf(one)).find((tag) => tag.kind === "float"))?.id ?? null;
}

/** Every tag of a line, or of what a workshop shares: rooms left, barrier and trend in the middle, incubators right. */
export function LineView({ id, shared }: { id: string; shared: boolean }) {
  const { index } = useScene();
  const equipment = useMemo(() => (shared ? index.sharedEquipment(id) : index.equipmentOfLine(id)), [index, id, shared]);
  const columns = useMemo(() => columnsOf(equipment), [equipment]);
  const chosen = index.tag(chosenTag.value);
  const here = chosen && equipment.some((one) => one.id === chosen.equipment);
  useEffect(() => {
    if (!here) chosenTag.value = firstTag(index, id, equipment);
  }, [index, id, equipment, here]);
  return (
    <div class="line-view" data-testid={`view-${id}`}>
      <LineHeader id={id} shared={shared} />
      <div class={`line-columns ${columns.incubators.length ? "" : "two"}`}>
        <div class="line-column">
          {columns.rooms.map(([room, contents]) => (
            <RoomPanel key={room} room={index.room(room)} equipment={contents} />
          ))}
        </div>
        <div class="line-column middle">
          <div class="barriers">
            {columns.barriers.map((one) => (
              <EquipmentPanel key={one.id} equipment={one} withRoom />
            ))}
          </div>
          {here && <Trend key={`${chosen.id} ${snapshots.value}`} tag={chosen} />}
        </div>
        {columns.incubators.length > 0 && (
          <div class="line-column">
            {columns.incubators.map((one) =>
              one.type === "honeycomb_incubator" ? (
                <Honeycomb key={one.id} equipment={one} />
              ) : (
                <EquipmentPanel key={one.id} equipment={one} withRoom />
              ),
            )}
          </div>
        )}
      </div>
    </div>
  );
}

function LineHeader({ id, shared }: { id: string; shared: boolean }) {
  const { index } = useScene();
  const line = index.line(id);
  const area = index.area(line?.area ?? id);
  const worst = shared ? undefined : worstAlarms.value.get(id);
  return (
    <header class="line-header">
      <b class="line-id">{id}</b>
      {line && (
        <>
          <b>{named(line.name)}</b>
          <span>{named(line.product)}</span>
          <span>{t(line.mode === "isolator" ? "isolatorMode" : "bscMode")}</span>
        </>
      )}
      {shared ? (
        <>
          <b>{area ? named(area.name) : t("plantWide")}</b>
          <span class="secondary">{t("shared")}</span>
        </>
      ) : (
        <span class="secondary">{area && `${area.id} ${named(area.name)}`}</span>
      )}
      {worst && (
        <span class="line-worst">
          <AlarmSymbol alarm={worst} size={32} />
          {worst.equipment} {named(worst.message)}
        </span>
      )}
    </header>
  );
}
