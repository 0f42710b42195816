import { useMemo, useState } from "preact/hooks";
import type { Equipment } from "../model/contract";
import { named, t } from "../texts";
import { useScene } from "./context";
import { DeviceFaults, EquipmentHeader, TagRows } from "./EquipmentPanel";
import { HoneycombCell } from "./HoneycombCell";
import "./Honeycomb.css";

const PER_ROW = 4;

/** The incubator as it stands: twelve hexagons; the chosen cell's tags and the unit's own beneath. */
export function Honeycomb({ equipment }: { equipment: Equipment }) {
  const { index } = useScene();
  const cells = useMemo(() => index.cellsOf(equipment), [index, equipment]);
  const own = useMemo(() => index.tagsOf(equipment).filter((tag) => !/\.cell\d+\./.test(tag.id)), [index, equipment]);
  const [chosen, choose] = useState(cells[0]?.id);
  const cell = cells.find((one) => one.id === chosen);
  const rows = Array.from({ length: Math.ceil(cells.length / PER_ROW) }, (_, at) => cells.slice(at * PER_ROW, (at + 1) * PER_ROW));
  const room = index.room(equipment.room);
  return (
    <section class="equipment" data-testid={`equipment-${equipment.id}`}>
      <EquipmentHeader equipment={equipment} note={room ? `${named(room.name)} ${room.grade}` : ""} />
      <DeviceFaults equipment={equipment} />
      <div class="hexes">
        {rows.map((row, at) => (
          <div key={at} class="hex-row">
            {row.map((one) => (
              <HoneycombCell key={one.id} honeycomb={equipment} cell={one} chosen={one.id === chosen} onChoose={() => choose(one.id)} />
            ))}
          </div>
        ))}
      </div>
      {own.length > 0 && <TagRows tags={own} />}
      {cell && (
        <>
          <h3 class="equipment-header cell-header">
            {t("cell")} {Number(cell.number)} <span class="secondary">{t("allTags")}</span>
          </h3>
          <TagRows tags={cell.tags} />
        </>
      )}
    </section>
  );
}
