import { logOut, silence, silencing } from "../model/act";
import { alarmCounts, PRIORITIES, setAsideCount } from "../model/alarms";
import { hornState, type HornState } from "../model/annunciator";
import { halfSecond, serverNow } from "../model/clock";
import { lost, newestFrame_ms } from "../model/feed";
import { zoned } from "../model/format";
import { route } from "../model/route";
import { forbidden, loginOpen, session } from "../model/session";
import { allowSound, sound } from "../model/sound";
import { switchTheme, theme } from "../model/theme";
import { language, named, switchLanguage, t, type TextKey } from "../texts";
import { PrioritySymbol } from "./AlarmSymbol";
import { useScene } from "./context";
import { RefusalNote } from "./RefusalNote";
import "./TopBar.css";

export function TopBar() {
  const { plant } = useScene().index;
  return (
    <header class="top-bar">
      <h1>
        <ViewName />
        <span class="site">{named(plant.site.name)}</span>
      </h1>
      <PlantClock timezone={plant.site.timezone} />
      <Heartbeat />
      <Counts />
      <Horn />
      <SoundNote />
      <User />
      <button type="button" class="quiet" data-testid="language" onClick={switchLanguage} lang={language.value === "zh" ? "en" : "zh-CN"}>
        {t("otherLanguage")}
      </button>
      <button type="button" class="quiet" data-testid="theme" onClick={switchTheme} title={t(theme.value === "day" ? "nightTheme" : "dayTheme")}>
        <ThemeIcon />
      </button>
    </header>
  );
}

function ViewName() {
  const current = route.value;
  const { index } = useScene();
  const area = current.view === "area" ? index.area(current.id) : undefined;
  const id = "id" in current ? current.id : "";
  return <span class="view-name">{area ? `${id} ${named(area.name)}` : `${t(current.view)} ${id}`}</span>;
}

function PlantClock({ timezone }: { timezone: string }) {
  void halfSecond.value;
  const here = zoned(serverNow(), timezone);
  const utc = zoned(serverNow(), "UTC");
  return (
    <span class="plant-clock">
      <span>
        <b>{here.time}</b> {here.zone}
      </span>
      <span class="secondary">
        {here.date} · {utc.time} UTC
      </span>
    </span>
  );
}

/** Age of the newest frame of the whole plant: the proof that what is shown is alive. */
function Heartbeat() {
  void halfSecond.value;
  const age_s = newestFrame_ms.value === 0 ? NaN : Math.max(0, serverNow() - newestFrame_ms.value) / 1000;
  const dead = lost.value || !(age_s < 3);
  return (
    <span class={`heartbeat ${dead ? "dead" : ""}`} data-testid="heartbeat">
      <svg width="22" height="18" viewBox="0 0 22 18" aria-hidden="true">
        <path d={dead ? "M1 9H21" : "M1 9H6L9 2L13 16L16 9H21"} />
      </svg>
      {t("dataAge")} <b>{Number.isNaN(age_s) ? "– –" : `${age_s < 100 ? age_s.toFixed(1) : age_s.toFixed(0)} s`}</b>
    </span>
  );
}

function Counts() {
  return (
    <span class={`counts ${lost.value ? "old" : ""}`} title={t("unackOfTotal")}>
      {PRIORITIES.map((priority, at) => {
        const count = alarmCounts.value[at] ?? { unacknowledged: 0, total: 0 };
        return (
          <span key={priority} class={`count ${count.total ? "" : "none"}`} data-testid={`count-P${priority}`}>
            <PrioritySymbol priority={priority} kind={count.total ? "filled" : "idle"} />
            <span>
              <b>{count.unacknowledged}</b>/{count.total}
            </span>
          </span>
        );
      })}
      {setAsideCount.value > 0 && (
        <span class="count aside" title={t("setAside")}>
          S <b>{setAsideCount.value}</b>
        </span>
      )}
    </span>
  );
}

const HORN_WORDS: Record<HornState, TextKey> = {
  sounding: "hornSounding",
  silenced: "hornSilenced",
  quiet: "hornQuiet",
  unconfirmed: "hornUnconfirmed",
  unknown: "hornUnknown",
};

function Horn() {
  const state = lost.value ? "unknown" : hornState.value;
  const why = lost.value ? null : forbidden("annunciator.silence");
  return (
    <span class="horn">
      <span class={`horn-state ${state}`} data-testid="horn-state" data-state={state}>
        <HornIcon state={state} />
        {t(HORN_WORDS[state])}
      </span>
      <button
        type="button"
        data-testid="silence"
        disabled={why !== null || silencing.pending.value}
        title={why ? t(why) : "F8"}
        onClick={() => void silence()}
      >
        {t("silence")} <kbd>F8</kbd>
      </button>
      <span class="below">
        <RefusalNote refusal={silencing.refusal.value} />
      </span>
    </span>
  );
}

function HornIcon({ state }: { state: HornState }) {
  return (
    <svg width="22" height="20" viewBox="0 0 22 20" aria-hidden="true">
      <path d="M2 7H6L12 2V18L6 13H2Z" class={state === "sounding" ? "filled" : ""} />
      {state === "sounding" && <path d="M15 6Q17 10 15 14M18 3.5Q21.5 10 18 16.5" />}
      {state === "silenced" && <path d="M15 7L21 13M21 7L15 13" />}
      {(state === "unconfirmed" || state === "unknown") && <text x="14.5" y="15">?</text>}
    </svg>
  );
}

function SoundNote() {
  if (sound.value === "on") return <span class="secondary">♪ {t("soundOn")}</span>;
  if (sound.value === "none") return <span class="secondary">{t("soundNone")}</span>;
  return (
    <button type="button" class="sound-off" data-testid="sound-off" onClick={allowSound}>
      {t("soundOff")}
    </button>
  );
}

function User() {
  const current = session.value;
  if (!current) {
    return (
      <button type="button" data-testid="login" onClick={() => (loginOpen.value = !loginOpen.value)}>
        {t("login")}
      </button>
    );
  }
  return (
    <span class="user" data-testid="user">
      <span>
        <b>{current.user}</b> {current.role !== current.user && <span class="secondary">{current.role}</span>}
      </span>
      <button type="button" class="quiet" data-testid="logout" onClick={logOut}>
        {t("logout")}
      </button>
    </span>
  );
}

function ThemeIcon() {
  return (
    <svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true">
      <circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="2" />
      <path d={theme.value === "day" ? "M10 3A7 7 0 0 1 10 17Z" : "M10 3A7 7 0 0 0 10 17Z"} fill="currentColor" />
    </svg>
  );
}
