/** Reads the plant, trying again until it answers, and begins to listen. */

import { signal } from "@preact/signals";
import type { Plant, Tag } from "./contract";
import { Feed } from "./feed";
import { get, Refusal } from "./http";
import { retryDelay } from "./link";
import { PlantIndex } from "./plant";
import { session } from "./session";
import { startTheme } from "./theme";
import { Values } from "./values";

export interface Loaded {
  index: PlantIndex;
  values: Values;
}

export const loaded = signal<Loaded | null>(null);
export const loadFailed = signal<"no" | "unreachable" | "login">("no");

export async function load(attempt = 0): Promise<void> {
  try {
    const [plant, tags] = await Promise.all([get<Plant>("plant"), get<Tag[]>("tags")]);
    const values = new Values(tags);
    loaded.value = { index: new PlantIndex(plant, tags), values };
    loadFailed.value = "no";
    startTheme(plant.site.timezone);
    new Feed(values, plant);
  } catch (error) {
    const closed = error instanceof Refusal && error.status === 401;
    loadFailed.value = closed ? "login" : "unreachable";
    if (closed) await nextSession();
    else await new Promise((done) => setTimeout(done, retryDelay(attempt, Math.random())));
    await load(closed ? 0 : attempt + 1);
  }
}

/** Resolves when somebody has logged in. */
function nextSession(): Promise<void> {
  return new Promise((done) => {
    const stop = session.subscribe((current) => {
      if (!current) return;
      queueMicrotask(() => stop());
      done();
    });
  });
}
