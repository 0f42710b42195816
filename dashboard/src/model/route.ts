/** Which view is open, kept in the address so that a reload or a second screen shows the same. */

import { signal } from "@preact/signals";

export type Route =
  | { view: "overview" }
  | { view: "line"; id: string }
  | { view: "area"; id: string }
  | { view: "alarms" }
  | { view: "trend" };

export function parseRoute(hash: string): Route {
  const [view = "", id = ""] = hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  if ((view === "line" || view === "area") && id) return { view, id };
  return view === "alarms" || view === "trend" ? { view } : { view: "overview" };
}

export const route = signal<Route>(parseRoute(location.hash));
/** The tag whose trend is shown; any value that is clicked becomes it. */
export const chosenTag = signal<string | null>(trendTag(location.hash));

function trendTag(hash: string): string | null {
  const tag = /^#\/trend\/(.+)/.exec(hash)?.[1];
  return tag ? decodeURIComponent(tag) : null;
}

addEventListener("hashchange", () => {
  route.value = parseRoute(location.hash);
  chosenTag.value = trendTag(location.hash) ?? chosenTag.value;
});

export function open(view: Route["view"], id?: string): void {
  location.hash = id ? `#/${view}/${encodeURIComponent(id)}` : `#/${view === "overview" ? "" : view}`;
}

export function openTrend(tag: string): void {
  chosenTag.value = tag;
  open("trend", tag);
}
