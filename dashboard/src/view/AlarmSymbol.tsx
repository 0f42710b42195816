import { useLayoutEffect, useRef } from "preact/hooks";
import type { Alarm } from "../model/contract";
import { isSetAside, isUnacknowledged } from "../model/alarms";
import { serverNow } from "../model/clock";
import "./AlarmSymbol.css";

/** One shape and one figure a priority, readable without colour. */
const SHAPES = ["M3 3H29V29H3Z", "M16 2.5 30.5 29H1.5Z", "M1.5 3H30.5L16 29.5Z", "M16 1.5 30.5 16 16 30.5 1.5 16Z"];
const BASELINES = [23, 26, 17.5, 21.5];
const SIZES = [19, 15, 15, 15];
const SET_ASIDE: Record<string, string> = { shelved: "S", suppressed: "D", "out-of-service": "O" };
type Flash = "none" | "fast" | "slow";

/**
 * Filled: active. Hollow with a coloured rim: returned or latched. Flashing fast: active and unseen; slowly: gone
 * but unseen. All symbols flash in step with the server's clock; the figure is legible in both phases.
 */
export function AlarmSymbol({ alarm, size = 24 }: { alarm: Alarm; size?: number }) {
  if (isSetAside(alarm)) return <SetAsideSymbol alarm={alarm} size={size} />;
  const flash = !isUnacknowledged(alarm) ? "none" : alarm.active ? "fast" : "slow";
  return <PrioritySymbol priority={alarm.priority} size={size} kind={alarm.active ? "filled" : "rim"} flash={flash} />;
}

/** Starts an element's flashing as if it had begun at the server's time zero, so that all symbols on all desks beat together. */
function useServerBeat(flash: Flash) {
  const group = useRef<SVGGElement>(null);
  useLayoutEffect(() => {
    const origin_ms = performance.now() - serverNow();
    for (const animation of group.current?.getAnimations() ?? []) {
      const period_ms = Number(animation.effect?.getComputedTiming().duration) || 1;
      animation.startTime = performance.now() - ((performance.now() - origin_ms) % period_ms);
    }
  }, [flash]);
  return group;
}

interface PriorityProps {
  priority: number;
  size?: number;
  /** `idle` is the shape without any hue: nothing of this priority stands. */
  kind?: "filled" | "rim" | "idle";
  flash?: Flash;
}

export function PrioritySymbol({ priority, size = 24, kind = "filled", flash = "none" }: PriorityProps) {
  const group = useServerBeat(flash);
  const at = Math.min(Math.max(priority, 1), 4) - 1;
  const shape = SHAPES[at] as string;
  const figure = (
    <text x="16" y={BASELINES[at]} font-size={SIZES[at]}>
      {priority}
    </text>
  );
  return (
    <svg class={`symbol priority-${at + 1} ${kind}`} width={size} height={size} viewBox="0 0 32 32" role="img" aria-label={`P${priority}`}>
      <g class="off-phase">
        <path d={shape} />
        {figure}
      </g>
      {kind !== "idle" && (
        <g ref={group} class={`on-phase flash-${flash}`}>
          {kind === "rim" && <path class="edge" d={shape} />}
          <path d={shape} />
          {figure}
        </g>
      )}
    </svg>
  );
}

function SetAsideSymbol({ alarm, size }: { alarm: Alarm; size: number }) {
  return (
    <svg class={`symbol set-aside ${alarm.state}`} width={size} height={size} viewBox="0 0 32 32" role="img" aria-label={alarm.state}>
      <circle cx="16" cy="16" r="13.5" />
      <text x="16" y="22.5" font-size="18">
        {SET_ASIDE[alarm.state]}
      </text>
    </svg>
  );
}
