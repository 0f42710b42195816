import "./base.css";
import { render } from "preact";
import { App } from "./view/App";
import { startClock } from "./model/clock";
import { startSound } from "./model/sound";

startClock();
startSound();
render(<App />, document.getElementById("page") as HTMLElement);
