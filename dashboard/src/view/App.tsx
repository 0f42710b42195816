import { effect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { audible } from "../model/annunciator";
import { lost } from "../model/feed";
import { route } from "../model/route";
import { session, loginOpen } from "../model/session";
import { lossHeard, play, type Tune } from "../model/sound";
import { load, loaded, loadFailed, type Loaded } from "../model/start";
import { t } from "../texts";
import { AlarmList } from "./AlarmList";
import { Banner } from "./Banner";
import { SceneContext } from "./context";
import { Hatch } from "./Hatch";
import { followKeys } from "./keys";
import { LineView } from "./LineView";
import { LoginPanel } from "./LoginPanel";
import { LostBand } from "./LostBand";
import { Overview } from "./Overview";
import { Rail } from "./Rail";
import { TopBar } from "./TopBar";
import { TrendView } from "./TrendView";
import "./App.css";

export function App() {
  useEffect(() => {
    void load();
    followKeys();
    effect(() => {
      if (!lost.value) lossHeard.value = false;
      play(wantedTune());
    });
  }, []);
  const scene = loaded.value;
  if (scene) return <Page scene={scene} />;
  if (loadFailed.value === "login") return <LoginPanel />;
  return <p class="loading">{t(loadFailed.value === "no" ? "loading" : "loadFailed")}</p>;
}

function wantedTune(): Tune {
  if (lost.value) return lossHeard.value ? null : "lost";
  return audible.value === null ? null : `P${audible.value}`;
}

function Page({ scene }: { scene: Loaded }) {
  return (
    <SceneContext.Provider value={scene}>
      <div class="page">
        <Hatch />
        <TopBar />
        <LostBand />
        <Banner />
        <div class="workspace">
          <Rail />
          <main>
            <View />
          </main>
          {loginOpen.value && !session.value && <LoginPanel />}
        </div>
      </div>
    </SceneContext.Provider>
  );
}

function View() {
  const current = route.value;
  switch (current.view) {
    case "overview":
      return <Overview />;
    case "alarms":
      return <AlarmList />;
    case "trend":
      return <TrendView />;
    case "line":
    case "area":
      return <LineView key={current.id} id={current.id} shared={current.view === "area"} />;
  }
}
