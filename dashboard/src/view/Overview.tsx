import type { Area } from "../model/contract";
import { worstAlarms } from "../model/alarms";
import { open } from "../model/route";
import { named } from "../texts";
import { AlarmSymbol } from "./AlarmSymbol";
import { Cascade } from "./Cascade";
import { useScene } from "./context";
import { LineTile } from "./LineTile";
import "./Overview.css";

/** The plant at a glance: workshops side by side, their lines, their pressure cascade. Areas without lines stand in the rail. */
export function Overview() {
  const { index } = useScene();
  return (
    <div class="overview">
      {index.plant.areas.filter((area) => area.lines.length > 0).map((area) => (
        <Workshop key={area.id} area={area} />
      ))}
    </div>
  );
}

function Workshop({ area }: { area: Area }) {
  const { index } = useScene();
  const worst = worstAlarms.value.get(area.id);
  return (
    <section class="workshop" data-testid={`workshop-${area.id}`}>
      <h2>
        <button type="button" class="bare" onClick={() => open("area", area.id)}>
          {area.id} <span class="workshop-name">{named(area.name)}</span>
        </button>
        {worst && <AlarmSymbol alarm={worst} size={28} />}
      </h2>
      <div class="tiles">
        {area.lines.map((id) => {
          const line = index.line(id);
          return line && <LineTile key={id} line={line} />;
        })}
      </div>
      <Cascade area={area.id} />
    </section>
  );
}
