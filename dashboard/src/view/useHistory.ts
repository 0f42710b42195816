import { useSignal, type Signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { serverNow } from "../model/clock";
import type { ReadingRow, Tag } from "../model/contract";
import { get } from "../model/http";
import { Series } from "../model/series";
import { useScene } from "./context";

export const WINDOW_S = 3600;
const POLLED_GAP_S = 3;
const RECORD_GAP_INTERVALS = 1.5;
/** What was read just before the page began to listen reaches the database a little later; then it is fetched too. */
const SEAM_AFTER_MS = 8_000;

export interface TagHistory {
  series: { current: Series };
  /** Rises whenever the series has grown. */
  revision: Signal<number>;
  state: Signal<"loading" | "ready" | "failed">;
}

/** A tag's last hour from the database, and from now on as it comes. */
export function useHistory(tag: Tag): TagHistory {
  const { values } = useScene();
  const state = useSignal<"loading" | "ready" | "failed">("loading");
  const revision = useSignal(0);
  const position = values.index.get(tag.id) as number;
  const gap_s = tag.polled ? POLLED_GAP_S : (RECORD_GAP_INTERVALS * (values.interval_ms[position] as number)) / 1000;
  const series = useMemo(() => ({ current: new Series(gap_s, WINDOW_S) }), [tag]);

  useEffect(() => {
    if (tag.kind === "text") return;
    let wanted = true;
    let later = 0;
    const stop = values.listen(position, (index, time_ms) => {
      series.current.append(time_ms / 1000, values.value[index] as number, values.quality[index] as number);
      if (state.value !== "loading") revision.value += 1;
    });
    const show = (rows: readonly ReadingRow[]): void => {
      series.current = Series.from(rows, gap_s, WINDOW_S).followedBy(series.current);
      revision.value += 1;
    };
    const read = async (): Promise<void> => {
      try {
        const rows = await readingsSince(tag, serverNow() - WINDOW_S * 1000);
        if (!wanted) return;
        state.value = "ready";
        show(rows);
        later = window.setTimeout(() => void readSeam(rows), SEAM_AFTER_MS);
      } catch {
        state.value = "failed";
      }
    };
    const readSeam = async (rows: ReadingRow[]): Promise<void> => {
      const last = rows[rows.length - 1];
      const from_ms = last ? Date.parse(last.time) + 1 : serverNow() - WINDOW_S * 1000;
      const seam = await readingsSince(tag, from_ms).catch(() => []);
      if (wanted) show([...rows, ...seam]);
    };
    void read();
    return () => {
      wanted = false;
      clearTimeout(later);
      stop();
    };
  }, [tag, values]);

  return { series, revision, state };
}

function readingsSince(tag: Tag, start_ms: number): Promise<ReadingRow[]> {
  const at = (time_ms: number): string => new Date(time_ms).toISOString();
  const query = new URLSearchParams({ tag: tag.id, start: at(start_ms), end: at(serverNow() + 1000), resolution: "raw" });
  return get<ReadingRow[]>(`readings?${query}`);
}
