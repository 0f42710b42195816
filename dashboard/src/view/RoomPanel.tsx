import type { Equipment, Room } from "../model/contract";
import { formatNumber } from "../model/format";
import { named, t } from "../texts";
import { useScene, useShown } from "./context";
import { EquipmentPanel } from "./EquipmentPanel";
import "./RoomPanel.css";

/** A room with its grade and all that stands in it; `room` is absent for equipment that has none. */
export function RoomPanel({ room, equipment }: { room: Room | undefined; equipment: readonly Equipment[] }) {
  return (
    <section class="room">
      <h2 class={room ? `grade-${room.grade.toLowerCase()}` : ""}>
        {room ? (
          <>
            <b class="grade-letter">{room.grade}</b>
            <span>{named(room.name)}</span>
            <span class="secondary">{room.id}</span>
            <RoomStep room={room} />
            <span class="secondary room-state">{stateText(room.state)}</span>
          </>
        ) : (
          <span>{t("noRoom")}</span>
        )}
      </h2>
      {equipment.map((one) => (
        <EquipmentPanel key={one.id} equipment={one} />
      ))}
    </section>
  );
}

/** The pressure step to the room into which its air should flow, where both are measured: `→ L01-ANT 15 Pa`. */
function RoomStep({ room }: { room: Room }) {
  const { index } = useScene();
  const below = room.higher_than ?? null;
  const here = useShown(index.roomPressure(room.id));
  const there = useShown(index.roomPressure(below));
  if (!below) return null;
  const known = [here, there].every(({ dress }) => dress === "good" || dress === "uncertain");
  const step_pa = here.value - there.value;
  return (
    <span class="room-step">
      {known && step_pa < 0 ? "←" : "→"} <span class="secondary">{below}</span> {known ? formatNumber(Math.abs(step_pa), 0) : "– –"}{" "}
      <span class="secondary">{here.unit}</span>
    </span>
  );
}

function stateText(state: string): string {
  if (state === "at rest") return t("atRest");
  return state === "in operation" ? t("inOperation") : state;
}
