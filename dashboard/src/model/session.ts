/** Who is at this desk. The token lives in this tab's session storage and ends with it. */

import { computed, signal } from "@preact/signals";
import type { Session } from "./contract";

const STORED = "telemetry.session";

export type Permission = "alarm.acknowledge" | "annunciator.silence";

function stored(): Session | null {
  const text = sessionStorage.getItem(STORED);
  if (!text) return null;
  const session = JSON.parse(text) as Session;
  return Date.parse(session.expires_time) > Date.now() ? session : null;
}

export const session = signal<Session | null>(stored());
export const loginOpen = signal(false);

session.subscribe((current) => {
  if (current) sessionStorage.setItem(STORED, JSON.stringify(current));
  else sessionStorage.removeItem(STORED);
});

export const permissions = computed(() => new Set(session.value?.permissions ?? []));

/** Why the person here may not act, or null where they may. */
export function forbidden(permission: Permission): "loginToAct" | "notPermitted" | null {
  if (!session.value) return "loginToAct";
  return permissions.value.has(permission) ? null : "notPermitted";
}
