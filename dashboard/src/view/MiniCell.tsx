import { useMemo } from "preact/hooks";
import { worstAlarms } from "../model/alarms";
import type { Equipment, Tag } from "../model/contract";
import { isEmpty, isOpen, type IncubatorCell } from "../model/plant";
import { t } from "../texts";
import { AlarmSymbol } from "./AlarmSymbol";
import { useScene, useShown } from "./context";
import "./MiniCell.css";

const HEX = "M16 1.5 29.5 9.3V24.7L16 32.5 2.5 24.7V9.3Z";
const HEX_OPEN = "M29.5 24.7V9.3L16 1.5 2.5 9.3V24.7L16 32.5";
const LEAF = "M16 32.5 30 32";
const SQUARE = "M3 3H29V31H3Z";
const SQUARE_OPEN = "M29 31V3H3V31";
const SQUARE_LEAF = "M3 31 26 36";

/** A honeycomb in little, two rows deep, or one small row where a line has several: filled in use, dashed empty, hatched when not known, a gap with a leaf for an open door, and its alarm. */
export function MiniCells({ honeycomb, small }: { honeycomb: Equipment; small: boolean }) {
  const { index } = useScene();
  const cells = useMemo(() => index.cellsOf(honeycomb), [index, honeycomb]);
  const half = Math.ceil(cells.length / 2);
  const rows = small ? [cells] : [cells.slice(0, half), cells.slice(half)];
  return (
    <div class={`mini-cells ${small ? "small" : ""}`} aria-label={t("cells")} title={honeycomb.id}>
      {rows.map((row, at) => (
        <div key={at} class="mini-row">
          {row.map((cell) => (
            <MiniHex key={cell.id} honeycomb={honeycomb} cell={cell} small={small} />
          ))}
        </div>
      ))}
    </div>
  );
}

function tagOf(tags: readonly Tag[], name: string): Tag | undefined {
  return tags.find((tag) => tag.id.endsWith(`.${name}`));
}

function MiniHex({ honeycomb, cell, small }: { honeycomb: Equipment; cell: IncubatorCell; small: boolean }) {
  const label = small ? "" : String(Number(cell.number));
  return <Mini tags={cell.tags} place={`${honeycomb.id}.${cell.id}`} label={label} small={small} closed={HEX} open={HEX_OPEN} leaf={LEAF} />;
}

export function MiniIncubators({ incubators }: { incubators: readonly Equipment[] }) {
  const { index } = useScene();
  return (
    <div class="mini-cells" aria-label={t("incubators")}>
      <div class="mini-row squares">
        {incubators.map((incubator, at) => (
          <Mini key={incubator.id} tags={index.tagsOf(incubator)} place={incubator.id} label={String(at + 1)} closed={SQUARE} open={SQUARE_OPEN} leaf={SQUARE_LEAF} />
        ))}
      </div>
    </div>
  );
}

interface MiniProps {
  tags: readonly Tag[];
  place: string;
  label: string;
  small?: boolean;
  closed: string;
  open: string;
  leaf: string;
}

function Mini({ tags, place, label, small = false, closed, open, leaf }: MiniProps) {
  const [temperatureTag, doorTag, stateTag] = useMemo(() => ["temperature", "door", "state"].map((name) => tagOf(tags, name)), [tags]);
  const temperature = useShown(temperatureTag);
  const door = useShown(doorTag);
  const state = useShown(stateTag);
  const alarm = worstAlarms.value.get(place);
  const known = temperature.dress === "good" || temperature.dress === "uncertain";
  const opened = doorTag !== undefined && door.dress === "good" && isOpen(doorTag, door.value);
  const empty = stateTag !== undefined && state.dress === "good" && isEmpty(stateTag, state.value);
  const kind = !known ? "unknown" : empty ? "empty" : "used";
  return (
    <span class={`mini ${kind}`} data-testid="mini-cell" data-place={place} data-kind={kind} title={`${place} ${t(temperature.dress)}`}>
      <svg class="mini-drawing" width={small ? 22 : 36} height={small ? 24 : 38} viewBox="0 0 32 34" aria-hidden="true">
        <path class="mini-fill" d={closed} />
        <path class="mini-edge" d={opened ? open : closed} />
        {opened && <path class="mini-leaf" d={leaf} />}
        {!alarm && (
          <text x="16" y="22">
            {known ? label : temperature.dress === "bad" ? "✕" : ""}
          </text>
        )}
      </svg>
      {alarm && <AlarmSymbol alarm={alarm} size={small ? 16 : 20} />}
    </span>
  );
}
