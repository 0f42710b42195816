import { halfSecond, serverNow } from "../model/clock";
import { lastTrue_ms, link, lost } from "../model/feed";
import { formatClockSpan } from "../model/format";
import { t } from "../texts";
import "./LostBand.css";

/** Full width, inverse, in both languages at once: nobody may take an old number for a live one. */
export function LostBand() {
  if (!lost.value) return null;
  void halfSecond.value;
  return (
    <div class="lost-band" role="alert" data-testid="data-lost">
      <b>数据中断 DATA LOST {formatClockSpan(serverNow() - lastTrue_ms.value)}</b>
      <span>{t(link.value === "engine-lost" ? "lostEngine" : "lostSilent")}</span>
    </div>
  );
}
