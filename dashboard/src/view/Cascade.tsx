import { computed } from "@preact/signals";
import { Fragment } from "preact";
import { useMemo } from "preact/hooks";
import { worstAlarms } from "../model/alarms";
import type { Alarm, Room, Tag } from "../model/contract";
import { formatNumber } from "../model/format";
import { GRADES, type PlantIndex } from "../model/plant";
import { shownSignal } from "../model/shown";
import { t } from "../texts";
import { AlarmSymbol } from "./AlarmSymbol";
import { useScene, type Scene } from "./context";
import "./Cascade.css";

interface Step {
  grade: string;
  rooms: { room: Room; tag: Tag }[];
}

/** A workshop's rooms with a measured pressure, by grade, cleanest first. */
function stepsOf(index: PlantIndex, area: string): Step[] {
  const rooms = index.plant.equipment.flatMap((monitor) => {
    const tag = monitor.type === "room_monitor" && monitor.area === area ? index.tagNamed(monitor, "pressure") : undefined;
    const room = index.room(monitor.room);
    return tag && room ? [{ room, tag }] : [];
  });
  const grades = [...new Set([...GRADES, ...rooms.map(({ room }) => room.grade)])];
  return grades
    .map((grade) => ({ grade, rooms: rooms.filter(({ room }) => room.grade === grade) }))
    .filter((step) => step.rooms.length > 0);
}

interface Level {
  lowest: number;
  highest: number;
  /** Rooms whose pressure is not known now. */
  unknown: number;
}

function levelSignal(scene: Scene, step: Step) {
  const readings = step.rooms.map(({ tag }) => shownSignal(scene.values, tag));
  return computed<Level>(() => {
    const shown = readings.map((reading) => reading.value);
    const known = shown.filter((one) => one.dress === "good" || one.dress === "uncertain").map((one) => one.value);
    return { lowest: Math.min(...known), highest: Math.max(...known), unknown: shown.length - known.length };
  });
}

/**
 * The smallest pressure step from one grade to the next, in Pa: over the pairs of rooms that are configured to flow
 * into each other, or where none is, from the lowest room of the one to the highest of the other. Not finite where unknown.
 */
function flowSignal(scene: Scene, from: Step, to: Step) {
  const configured = from.rooms.flatMap(({ room, tag }) => {
    const below = to.rooms.find((other) => other.room.id === room.higher_than);
    return below ? [[tag, below.tag] as const] : [];
  });
  const pairs = configured.length > 0 ? configured : from.rooms.flatMap(({ tag }) => to.rooms.map((other) => [tag, other.tag] as const));
  const readings = pairs.map((pair) => pair.map((tag) => shownSignal(scene.values, tag)));
  return computed(() => {
    const steps_pa = readings.map((pair) => {
      const [high = NaN, low = NaN] = pair.map(({ value: { dress, value } }) => (dress === "good" || dress === "uncertain" ? value : NaN));
      return high - low;
    });
    return Math.min(...steps_pa.filter((step_pa) => !Number.isNaN(step_pa)));
  });
}

/**
 * Pressure by grade, cleanest left. Each block shows the lowest and highest room of its grade; each arrow the
 * smallest step to the next grade, pointing where the air then flows. Whether a step is enough is the alarms' word.
 */
export function Cascade({ area }: { area: string }) {
  const scene = useScene();
  const steps = useMemo(() => stepsOf(scene.index, area), [scene, area]);
  const levels = useMemo(() => steps.map((step) => levelSignal(scene, step)), [scene, steps]);
  const flows = useMemo(() => steps.slice(1).map((to, at) => flowSignal(scene, steps[at] as Step, to)), [scene, steps]);
  return (
    <div class="cascade" data-testid={`cascade-${area}`}>
      {steps.map((step, at) => {
        const level = levels[at]?.value as Level;
        const flow = flows[at];
        return (
          <Fragment key={step.grade}>
            <Grade step={step} level={level} />
            {flow && <Flow step_pa={flow.value} />}
          </Fragment>
        );
      })}
    </div>
  );
}

function worstOf(step: Step): Alarm | undefined {
  const found = step.rooms.flatMap(({ tag }) => worstAlarms.value.get(tag.id) ?? []);
  return found.sort((a, b) => a.priority - b.priority)[0];
}

function Grade({ step, level }: { step: Step; level: Level }) {
  const tag = step.rooms[0]?.tag as Tag;
  const number = (value: number): string => formatNumber(value, 0);
  const alarm = worstOf(step);
  const known = Number.isFinite(level.lowest);
  const range = number(level.lowest) === number(level.highest) ? number(level.lowest) : `${number(level.lowest)}…${number(level.highest)}`;
  return (
    <div class={`grade grade-${step.grade.toLowerCase()}`} title={step.rooms.map(({ room }) => room.id).join(" ")}>
      <span class="grade-head">
        <b class="grade-letter">{step.grade}</b>
        <span class="secondary">×{step.rooms.length}</span>
        {level.unknown > 0 && <span class="grade-unknown">✕{level.unknown}</span>}
      </span>
      <span class={`grade-pressure ${known ? "" : "none"}`}>
        {known ? range : "– –"}
        <span class="unit"> {tag.unit}</span>
      </span>
      {alarm && <AlarmSymbol alarm={alarm} size={22} />}
    </div>
  );
}

function Flow({ step_pa }: { step_pa: number }) {
  const known = Number.isFinite(step_pa);
  const reversed = step_pa < 0;
  const strength = Math.abs(step_pa) < 5 ? 1 : Math.abs(step_pa) < 12.5 ? 2 : 3;
  return (
    <div class="flow" title={t("cascade")}>
      <span class="flow-step">{known ? formatNumber(Math.abs(step_pa), 0) : "–"}</span>
      <svg width="34" height="18" viewBox="0 0 34 18" aria-hidden="true">
        {known && (
          <path d="M2 9H24M23 2L32 9L23 16Z" stroke-width={strength * 2} transform={reversed ? "rotate(180 17 9)" : ""} />
        )}
      </svg>
    </div>
  );
}
