import { useMemo } from "preact/hooks";
import { worstAlarms } from "../model/alarms";
import { serverNow } from "../model/clock";
import type { Equipment, Tag } from "../model/contract";
import { formatAge } from "../model/format";
import { isEmpty, isOpen, type IncubatorCell } from "../model/plant";
import type { Shown } from "../model/shown";
import { t } from "../texts";
import { AlarmSymbol } from "./AlarmSymbol";
import { useScene, useShown } from "./context";
import { Value } from "./Value";

const CLOSED = "M72 2 142 42.5V123.5L72 164 2 123.5V42.5Z";
const OPENED = "M142 123.5V42.5L72 2 2 42.5V123.5L72 164";
const LEAF = "M72 164 132 159";
/** The bars beside a cell's numbers reach this far from the setpoint: 1.0 °C, 1.0 % CO2. */
const REACH = 1;
const BAR_TOP = 54;
const BAR_HEIGHT = 62;

interface CellProps {
  honeycomb: Equipment;
  cell: IncubatorCell;
  chosen: boolean;
  onChoose: () => void;
}

/** One cell: deviation of temperature left and of CO2 right, its numbers, door, state and the end of its batch. */
export function HoneycombCell({ honeycomb, cell, chosen, onChoose }: CellProps) {
  const { values } = useScene();
  const named = useMemo(() => {
    const find = (name: string): Tag | undefined => cell.tags.find((tag) => tag.id.endsWith(`.${cell.id}.${name}`));
    return { temperature: find("temperature"), co2: find("co2"), door: find("door"), state: find("state"), batch: find("batch") };
  }, [cell]);
  const temperature = useShown(named.temperature);
  const co2 = useShown(named.co2);
  const door = useShown(named.door);
  const state = useShown(named.state);
  const batch = useShown(named.batch);
  const alarm = worstAlarms.value.get(`${honeycomb.id}.${cell.id}`);
  const known = temperature.dress === "good" || temperature.dress === "uncertain";
  const opened = named.door !== undefined && door.dress === "good" && isOpen(named.door, door.value);
  const empty = named.state !== undefined && state.dress === "good" && isEmpty(named.state, state.value);
  const since_ms = named.door && opened ? (values.changed_ms[values.index.get(named.door.id) as number] ?? 0) : 0;
  return (
    <div
      class={`hex ${known ? "" : "unknown"} ${empty ? "empty" : ""} ${chosen ? "chosen" : ""} ${opened ? "opened" : ""}`}
      data-testid="cell"
      data-place={`${honeycomb.id}.${cell.id}`}
      onClick={onChoose}
    >
      <svg class="hex-shape" viewBox="0 0 144 166" aria-hidden="true">
        <path class="hex-fill" d={CLOSED} />
        <path class="hex-edge" d={opened ? OPENED : CLOSED} />
        {opened && <path class="hex-leaf" d={LEAF} />}
        <Deviation x={11} tag={named.temperature} shown={temperature} />
        <Deviation x={125} tag={named.co2} shown={co2} />
      </svg>
      <button type="button" class="bare hex-number" aria-pressed={chosen}>
        {Number(cell.number)}
      </button>
      {named.temperature && <Value tag={named.temperature} />}
      {named.co2 && <Value tag={named.co2} />}
      <span class="hex-batch">{empty ? "" : batch.dress === "good" ? batch.text.slice(-6) : batch.text && `(${batch.text.slice(-6)})`}</span>
      <span class="hex-state">
        {opened ? (
          <b>
            {t("doorOpen")} {since_ms > 0 ? formatAge(serverNow() - since_ms) : ""}
          </b>
        ) : (
          state.dress === "good" && state.text
        )}
      </span>
      {alarm && (
        <span class="hex-alarm">
          <AlarmSymbol alarm={alarm} size={28} />
        </span>
      )}
    </div>
  );
}

/** A bar that grows from the middle: up when above the setpoint, down when below, full at the reach. */
function Deviation({ x, tag, shown }: { x: number; tag: Tag | undefined; shown: Shown }) {
  const setpoint = tag?.setpoint ?? null;
  if (setpoint === null) return null;
  const known = shown.dress === "good" || shown.dress === "uncertain";
  const middle = BAR_TOP + BAR_HEIGHT / 2;
  const share = known ? Math.min(1, Math.max(-1, (shown.value - setpoint) / REACH)) : 0;
  const length = (Math.abs(share) * BAR_HEIGHT) / 2;
  return (
    <>
      <rect class="deviation-track" x={x} y={BAR_TOP} width="8" height={BAR_HEIGHT} />
      <rect class="deviation" x={x} y={share > 0 ? middle - length : middle} width="8" height={length} />
      <path class="deviation-zero" d={`M${x - 2} ${middle}H${x + 10}`} />
    </>
  );
}
