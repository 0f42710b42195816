import type { Equipment, Tag } from "../model/contract";
import { snapshots } from "../model/feed";
import { chosenTag } from "../model/route";
import { named, t } from "../texts";
import { useScene } from "./context";
import { EquipmentPanel } from "./EquipmentPanel";
import { Trend } from "./Trend";
import "./TrendView.css";

/** One trend at full size, with the tags of the same equipment beside it to choose from. */
export function TrendView() {
  const { index } = useScene();
  const tag = index.tag(chosenTag.value);
  if (!tag) return <p class="trend-empty">{t("trendChoose")}</p>;
  const equipment: Equipment | undefined = index.equipment(tag.equipment);
  return (
    <div class="trend-view">
      <Trend key={`${tag.id} ${snapshots.value}`} tag={tag} />
      {equipment && (
        <aside aria-label={named(equipment.name)}>
          <EquipmentPanel equipment={equipment} part={partOf(tag)} withRoom />
        </aside>
      )}
    </div>
  );
}

/** The cell that a honeycomb's tag belongs to: `.cell03.`; empty for any other tag. */
function partOf(tag: Tag): string {
  return /\.cell\d+\./.exec(tag.id)?.[0] ?? "";
}
