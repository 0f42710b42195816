/** Small pieces of a plant for the tests. */

import type { Alarm, Frame, Tag } from "../src/model/contract";

export function tag(id: string, given: Partial<Tag> = {}): Tag {
  return {
    id,
    equipment: id.split(".")[0] ?? id,
    name: { en: id, zh: id },
    unit: null,
    kind: "float",
    range: null,
    resolution: 0.1,
    legend: null,
    polled: true,
    setpoint: null,
    limits: [],
    ...given,
  };
}

export function alarm(id: string, given: Partial<Alarm> = {}): Alarm {
  return {
    id,
    occurrence: 1,
    equipment: "L01-ISO",
    area: "W1",
    line: "L01",
    tag: "L01-ISO.chamber.pressure",
    state: "unacknowledged",
    letter: "B",
    active: true,
    acknowledged: false,
    latched: false,
    priority: 2,
    raised_time: "2026-01-31T08:00:00.000Z",
    cleared_time: null,
    acknowledged_time: null,
    acknowledged_by: null,
    message: { en: id, zh: id },
    response: { en: "", zh: "" },
    value: null,
    limit: null,
    unit: null,
    ...given,
  };
}

export function frame(layout: number, at_ms: number, values: (number | null)[], given: Partial<Frame> = {}): Frame {
  const good = { quality: null, reason: null, source_ms: null, failure: null, findings: [] };
  return { layout, time_ms: at_ms, received_ms: at_ms + 50, values, ...good, ...given };
}
