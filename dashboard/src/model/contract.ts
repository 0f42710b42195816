/** The HTTP face of the api as the page reads it. Times are ISO 8601 UTC, or unix milliseconds where the name ends in `_ms`. */

export interface Names {
  en: string;
  zh: string;
}

export type Legend = Record<string, Names>;

export interface Area {
  id: string;
  name: Names;
  lines: string[];
}

export interface Line {
  id: string;
  area: string;
  name: Names;
  product: Names;
  mode: "isolator" | "bsc";
}

export interface Room {
  id: string;
  area: string;
  line: string | null;
  name: Names;
  grade: string;
  state: string;
  /** The room into which its air should flow, where configured. */
  higher_than?: string | null;
}

export interface Equipment {
  id: string;
  type: string;
  name: Names;
  area: string;
  line: string | null;
  room: string | null;
  profile: string;
  tags: string[];
}

export interface Plant {
  site: { id: string; name: Names; timezone: string };
  digest: string;
  demo: boolean;
  areas: Area[];
  lines: Line[];
  rooms: Room[];
  equipment: Equipment[];
}

export interface Limit {
  alarm: string;
  side: "low" | "high";
  value: number;
  priority: number;
}

export interface Tag {
  id: string;
  equipment: string;
  name: Names;
  unit: string | null;
  kind: "float" | "integer" | "boolean" | "state" | "text";
  range: [number, number] | null;
  resolution: number | null;
  legend: Legend | null;
  polled: boolean;
  setpoint: number | null;
  limits: Limit[];
}

export type AlarmState =
  | "unacknowledged"
  | "acknowledged"
  | "returned-unacknowledged"
  | "latched-unacknowledged"
  | "latched-acknowledged"
  | "shelved"
  | "suppressed"
  | "out-of-service"
  | "normal";

export interface Alarm {
  id: string;
  occurrence: number;
  equipment: string;
  area: string | null;
  line: string | null;
  tag: string | null;
  state: AlarmState;
  letter: string;
  active: boolean;
  acknowledged: boolean;
  latched: boolean;
  priority: number;
  raised_time: string;
  cleared_time: string | null;
  acknowledged_time: string | null;
  acknowledged_by: string | null;
  message: Names;
  response: Names;
  value: number | null;
  limit: number | null;
  unit: string | null;
}

export interface AnnunciatorArea {
  id: string;
  horn: boolean;
  silenced: boolean;
  lamp: "fast" | "steady" | "off";
  priority: number | null;
  confirmed: boolean;
}

export interface Annunciator {
  areas: AnnunciatorArea[];
}

/** One device's readings of one scan: arrays in the order of its layout. */
export interface Frame {
  layout: number;
  time_ms: number;
  received_ms: number;
  values: (number | null)[];
  quality: number[] | null;
  reason: (string | null)[] | null;
  source_ms: number | null;
  /** Why nothing was read, in a sentence; null where something was. */
  failure: string | null;
  /** What is wrong with the device though it answers, a sentence each. */
  findings: string[];
}

export interface Layout {
  id: number;
  tags: string[];
}

export interface LiveMessage {
  type: "snapshot" | "delta";
  number: number;
  server_ms: number;
  feed: { connected: boolean; age_s: number | null };
  layouts?: Layout[];
  frames: Frame[];
  texts: Record<string, string | null>;
  alarms: Alarm[];
  annunciator: Annunciator | null;
}

export interface ReadingRow {
  tag: string;
  time: string;
  value: number | null;
  quality: "Good" | "Uncertain" | "Bad";
  reason: string | null;
}

export interface Session {
  token: string;
  user: string;
  role: string;
  expires_time: string;
  permissions: string[];
}
