import { useMemo } from "preact/hooks";
import { worstAlarms } from "../model/alarms";
import type { Equipment, Tag } from "../model/contract";
import { isInstant } from "../model/format";
import { chosenTag } from "../model/route";
import { scaleOf } from "../model/scale";
import { named } from "../texts";
import { AlarmSymbol } from "./AlarmSymbol";
import { Bar } from "./Bar";
import { useScene } from "./context";
import { Value } from "./Value";
import "./EquipmentPanel.css";

interface PanelProps {
  equipment: Equipment;
  /** Only tags with this in their name; all where empty. */
  part?: string;
  withRoom?: boolean;
}

/** One equipment: what it is, its worst alarm, and all its tags. */
export function EquipmentPanel({ equipment, part = "", withRoom = false }: PanelProps) {
  const { index } = useScene();
  const tags = useMemo(() => index.tagsOf(equipment).filter((tag) => tag.id.includes(part)), [index, equipment, part]);
  const room = withRoom ? index.room(equipment.room) : undefined;
  return (
    <section class="equipment" data-testid={`equipment-${equipment.id}`}>
      <EquipmentHeader equipment={equipment} note={room ? `${named(room.name)} ${room.grade}` : ""} />
      <DeviceFaults equipment={equipment} />
      <TagRows tags={tags} />
    </section>
  );
}

export function EquipmentHeader({ equipment, note }: { equipment: Equipment; note: string }) {
  const worst = worstAlarms.value.get(equipment.id);
  return (
    <h3 class="equipment-header">
      {named(equipment.name)} <span class="secondary">{equipment.id}</span>
      <span class="secondary note">{note}</span>
      {worst && <AlarmSymbol alarm={worst} size={26} />}
    </h3>
  );
}

/** Why the device is not read, or what is wrong with it though it answers. */
export function DeviceFaults({ equipment }: { equipment: Equipment }) {
  const { values } = useScene();
  const faults = values.faultsOf(equipment.id).value;
  if (faults.length === 0) return null;
  return (
    <ul class="device-faults" data-testid={`faults-${equipment.id}`}>
      {faults.map((fault) => (
        <li key={fault}>{fault}</li>
      ))}
    </ul>
  );
}

/** Measured tags with limits or a setpoint on bars, one a row, those with limits first; all others two a row. */
export function TagRows({ tags }: { tags: readonly Tag[] }) {
  const barred = tags.filter((tag) => scaleOf(tag) !== null && (tag.limits.length > 0 || tag.setpoint !== null));
  const limited = barred.filter((tag) => tag.limits.length > 0);
  const rest = tags.filter((tag) => !barred.includes(tag));
  return (
    <>
      {barred.length > 0 && (
        <div class="tag-rows">
          {[...limited, ...barred.filter((tag) => !limited.includes(tag))].map((tag) => (
            <TagRow key={tag.id} tag={tag} withBar />
          ))}
        </div>
      )}
      {rest.length > 0 && (
        <div class="tag-rows states">
          {rest.map((tag) => (
            <TagRow key={tag.id} tag={tag} />
          ))}
        </div>
      )}
    </>
  );
}

function TagRow({ tag, withBar = false }: { tag: Tag; withBar?: boolean }) {
  const alarm = worstAlarms.value.get(tag.id);
  return (
    <div class={`tag-row ${chosenTag.value === tag.id ? "chosen" : ""} ${withBar ? "with-bar" : ""} ${isWide(tag) ? "wide" : ""}`}>
      <span class="tag-name">{named(tag.name)}</span>
      {withBar && <Bar tag={tag} />}
      <Value tag={tag} withAge />
      <span class="tag-alarm">{alarm && <AlarmSymbol alarm={alarm} size={20} />}</span>
    </div>
  );
}

/** Dates and texts need a row of their own. */
function isWide(tag: Tag): boolean {
  return tag.kind === "text" || isInstant(tag);
}
