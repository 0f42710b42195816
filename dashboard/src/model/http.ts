/** Requests to the api. A refusal keeps the status and the server's own sentence. */

import { session } from "./session";

const BASE = "/api/v1/";
const TIMEOUT_MS = 8_000;

/** `status` 0 means that no answer came. `detail` is the server's sentence (RFC 9457), or empty. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
  ) {
    super(detail || `status ${status}`);
  }
}

async function request<T>(path: string, init: RequestInit): Promise<T> {
  const headers = new Headers(init.headers);
  const token = session.value?.token;
  if (token) headers.set("Authorization", `Bearer ${token}`);
  let response: Response;
  try {
    response = await fetch(BASE + path, { ...init, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new Refusal(0, "");
  }
  if (!response.ok) {
    if (response.status === 401) session.value = null;
    throw new Refusal(response.status, await problemDetail(response));
  }
  return (await response.json()) as T;
}

async function problemDetail(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as { detail?: unknown; title?: unknown };
    const sentence = problem.detail ?? problem.title;
    return typeof sentence === "string" ? sentence : "";
  } catch {
    return "";
  }
}

/** Reads; a session that has ended is dropped, and the reading tried once more as whoever comes without one. */
export async function get<T>(path: string): Promise<T> {
  const hadSession = session.value !== null;
  try {
    return await request<T>(path, {});
  } catch (error) {
    if (hadSession && error instanceof Refusal && error.status === 401) return request<T>(path, {});
    throw error;
  }
}

export function post<T>(path: string, body: unknown): Promise<T> {
  return request<T>(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}
