import type { Refusal } from "../model/http";
import { t, type TextKey } from "../texts";

const BY_STATUS: Record<number, TextKey> = {
  0: "refusedNetwork",
  401: "refusedLogin",
  403: "refusedRole",
  404: "refusedGone",
  409: "refusedOlder",
};

/** Why an act was refused, in plain words and beside the act; the server's own sentence follows. */
export function RefusalNote({ refusal, login = false }: { refusal: Refusal | null; login?: boolean }) {
  if (!refusal) return null;
  const key = login && refusal.status === 401 ? "loginWrong" : (BY_STATUS[refusal.status] ?? "refusedOther");
  return (
    <span class="refusal" role="alert" data-testid="refusal">
      {t(key)} <span class="secondary">{login ? "" : refusal.detail}</span>
    </span>
  );
}
