/** The loaded plant and its live values, at hand for every component. */

import { createContext } from "preact";
import { useContext, useMemo } from "preact/hooks";
import { type ReadonlySignal } from "@preact/signals";
import type { Tag } from "../model/contract";
import type { PlantIndex } from "../model/plant";
import { shownSignal, type Shown } from "../model/shown";
import type { Values } from "../model/values";

export interface Scene {
  index: PlantIndex;
  values: Values;
}

export const SceneContext = createContext<Scene | null>(null);

export function useScene(): Scene {
  const scene = useContext(SceneContext);
  if (!scene) throw new Error("The plant is not loaded.");
  return scene;
}

const NOTHING: Shown = { dress: "missing", text: "", unit: "", age: "", reason: null, value: NaN };

/** The reading of a tag as it may be shown; a tag that the plant does not have is missing. */
export function useShown(tag: Tag | undefined): Shown {
  const { values } = useScene();
  const shown = useMemo<ReadonlySignal<Shown> | null>(() => (tag ? shownSignal(values, tag) : null), [values, tag]);
  return shown ? shown.value : NOTHING;
}
