/** The live WebSocket: snapshot, then numbered deltas. A gap in the numbers, or silence, ends in a fresh snapshot. */

import { batch, computed, signal } from "@preact/signals";
import { alarms, mergeAlarms } from "./alarms";
import { annunciator } from "./annunciator";
import { onTick, serverNow, synchronise } from "./clock";
import type { LiveMessage, Plant } from "./contract";
import { get } from "./http";
import { session } from "./session";
import { linkState, retryDelay, SILENT_AFTER_MS, type LinkState } from "./link";
import type { Values } from "./values";

export const link = signal<LinkState>("live");
export const lost = computed(() => link.value !== "live");
/** Server time at which the last true word came; the band counts from it. */
export const lastTrue_ms = signal(serverNow());
/** Newest receipt of any frame by the engine, unix ms; 0 before the first. */
export const newestFrame_ms = signal(0);
/** Counts the snapshots: what was drawn from a stream that broke is read again after it. */
export const snapshots = signal(0);

export class Feed {
  private socket: WebSocket | null = null;
  private number = -1;
  private attempt = 0;
  private engineConnected = true;
  private begun = false;
  private lastMessage_ms = performance.now();
  private retryAt_ms = 0;
  private giveUpAt_ms = Infinity;

  constructor(
    private readonly values: Values,
    private readonly plant: Plant,
  ) {
    onTick(() => this.watch());
    this.connect();
  }

  private connect(): void {
    const token = session.peek()?.token;
    const query = token ? `?token=${encodeURIComponent(token)}` : "";
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/v1/live${query}`);
    this.socket = socket;
    this.number = -1;
    this.retryAt_ms = Infinity;
    socket.onmessage = (event: MessageEvent<string>) => {
      if (this.socket === socket) this.receive(JSON.parse(event.data) as LiveMessage);
    };
    socket.onclose = () => this.socket === socket && this.retry();
    // A socket that neither opens, speaks nor closes is given up after the time that makes it silent.
    this.giveUpAt_ms = performance.now() + 2 * SILENT_AFTER_MS;
  }

  private retry(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.retryAt_ms = performance.now() + retryDelay(this.attempt++, Math.random());
  }

  private watch(): void {
    const now_ms = performance.now();
    this.judge(now_ms);
    if (!this.socket && now_ms >= this.retryAt_ms) this.connect();
    else if (this.socket && now_ms > Math.max(this.giveUpAt_ms, this.lastMessage_ms + 2 * SILENT_AFTER_MS)) this.retry();
  }

  private judge(now_ms: number): void {
    const broken = this.begun && (!this.socket || this.number < 0);
    link.value = linkState(now_ms - this.lastMessage_ms, this.engineConnected, broken);
  }

  private receive(message: LiveMessage): void {
    const first = message.type === "snapshot";
    if (!first && message.number !== this.number + 1) {
      if (this.number >= 0) this.retry();
      return;
    }
    this.number = message.number;
    this.lastMessage_ms = performance.now();
    this.engineConnected = message.feed.connected;
    batch(() => {
      synchronise(message.server_ms);
      if (first) this.begin(message);
      this.values.apply(message.frames, message.texts);
      if (first) alarms.value = mergeAlarms(new Map(), message.alarms);
      else if (message.alarms.length > 0) alarms.value = mergeAlarms(alarms.value, message.alarms);
      if (message.annunciator) annunciator.value = message.annunciator;
      newestFrame_ms.value = this.values.newest_ms;
      if (this.engineConnected) lastTrue_ms.value = message.server_ms;
      else lastTrue_ms.value = Math.max(lastTrue_ms.value, message.server_ms - 1000 * (message.feed.age_s ?? Infinity));
      this.judge(this.lastMessage_ms);
    });
  }

  private begin(message: LiveMessage): void {
    this.attempt = 0;
    const unknown = this.values.applyLayouts(message.layouts ?? []);
    if (unknown.length > 0) console.warn(`${unknown.length} tags of the feed are not in this plant:`, unknown.slice(0, 5));
    snapshots.value += 1;
    if (this.begun) void this.reloadIfChanged();
    this.begun = true;
  }

  /** A server that came back with another configuration needs the page from the start. */
  private async reloadIfChanged(): Promise<void> {
    try {
      const plant = await get<Plant>("plant");
      if (plant.digest !== this.plant.digest) location.reload();
    } catch {
      // The next reconnection asks again.
    }
  }
}
