import { useMemo } from "preact/hooks";
import { orderedAlarms, worstAlarms, isSetAside, isUnacknowledged } from "../model/alarms";
import type { Alarm, Equipment, Line, Tag } from "../model/contract";
import { criticalCounter, particlesOf, type PlantIndex } from "../model/plant";
import { open } from "../model/route";
import { named, t, type TextKey } from "../texts";
import { AlarmSymbol } from "./AlarmSymbol";
import { Bar } from "./Bar";
import { useScene } from "./context";
import { MiniCells, MiniIncubators } from "./MiniCell";
import { Value } from "./Value";
import "./LineTile.css";

interface Key {
  label: TextKey;
  tag: Tag;
}

/** What tells most about a line: its barrier (chamber pressure or inflow), temperature and particles, as far as it has them. */
export function keyTags(index: PlantIndex, line: Line): Key[] {
  const equipment = index.equipmentOfLine(line.id);
  const first = (type: string): Equipment | undefined => equipment.find((one) => one.type === type);
  const isolator = first("isolator");
  const cabinet = first("biosafety_cabinet");
  const room = (isolator ?? cabinet)?.room;
  const monitor = equipment.find((one) => one.type === "room_monitor" && one.room === room) ?? first("room_monitor");
  const counter = criticalCounter(index, equipment.filter((one) => one.type === "particle_counter"));
  const temperature = index.tagNamed(isolator, "chamber.temperature") ?? index.tagNamed(cabinet, "temperature");
  const keys: [TextKey, Tag | undefined][] = [
    ["chamberPressure", index.tagNamed(isolator, "chamber.pressure")],
    ["inflow", index.tagNamed(cabinet, "inflow.velocity")],
    ["temperature", temperature],
    ["roomTemperature", temperature ? undefined : index.tagNamed(monitor, "temperature")],
    ["particles05", particlesOf(index, counter, "0_5um")],
    ["particles5", particlesOf(index, counter, "5um")],
  ];
  return keys.flatMap(([label, tag]) => (tag ? [{ label, tag }] : []));
}

export function LineTile({ line }: { line: Line }) {
  const { index } = useScene();
  const keys = useMemo(() => keyTags(index, line), [index, line]);
  const equipment = index.equipmentOfLine(line.id);
  const honeycombs = equipment.filter((one) => one.type === "honeycomb_incubator");
  const incubators = equipment.filter((one) => one.type === "co2_incubator");
  const unseen = orderedAlarms.value.find((alarm) => alarm.line === line.id && isUnacknowledged(alarm));
  const show = (): void => open("line", line.id);
  return (
    <div
      class={`tile ${unseen ? "unseen" : ""}`}
      data-testid={`tile-${line.id}`}
      tabIndex={0}
      role="link"
      aria-label={line.id}
      onClick={show}
      onKeyDown={(event) => event.key === "Enter" && show()}
    >
      <header>
        <span class="line-what">
          <b class="line-id">{line.id}</b>
          <span class="secondary">{t(line.mode === "isolator" ? "isolatorMode" : "bscMode")}</span>
        </span>
        <span class="line-product">{named(line.product)}</span>
        <WorstAlarms line={line.id} unseen={unseen} />
      </header>
      <div class="tile-values">
        {keys.map(({ label, tag }) => (
          <TileRow key={tag.id} label={t(label)} tag={tag} />
        ))}
      </div>
      {honeycombs.map((honeycomb) => (
        <MiniCells key={honeycomb.id} honeycomb={honeycomb} small={honeycombs.length > 1} />
      ))}
      {incubators.length > 0 && <MiniIncubators incubators={incubators} />}
      <AlarmLine line={line.id} />
    </div>
  );
}

function TileRow({ label, tag }: { label: string; tag: Tag }) {
  const alarm = worstAlarms.value.get(tag.id);
  return (
    <div class="tile-row">
      <span class="tile-label">
        {label}
        {alarm && <AlarmSymbol alarm={alarm} size={20} />}
      </span>
      <Bar tag={tag} />
      <Value tag={tag} />
    </div>
  );
}

/** The worst alarm, and beside it the first that nobody has seen yet, where that is another one. */
function WorstAlarms({ line, unseen }: { line: string; unseen: Alarm | undefined }) {
  const worst = worstAlarms.value.get(line);
  if (!worst) return null;
  return (
    <span class="worst" data-testid={`worst-${line}`} data-priority={worst.priority}>
      {unseen && !isUnacknowledged(worst) && <AlarmSymbol alarm={unseen} size={28} />}
      <AlarmSymbol alarm={worst} size={isSetAside(worst) ? 28 : 44} />
    </span>
  );
}

function AlarmLine({ line }: { line: string }) {
  const worst = worstAlarms.value.get(line);
  return <p class="alarm-line">{worst ? `${worst.equipment} ${named(worst.message)}` : ""}</p>;
}
