// The page as a whole: its words, its sections, its engine, and what keeps it for visits without a connection.

import { load } from "../engine/emotion.js";
import { OnDevice } from "./device.js";
import { byId, element } from "./dom.js";
import { hint } from "./hints.js";
import { Live } from "./live.js";
import { Photo } from "./photo.js";
import { onTab, openTab, startTabs } from "./tabs.js";
import { alternatives, keep, languages, preferredLanguage, say, speak } from "./words.js";

/** @import { Emotion } from "../engine/emotion.js" */

const engine = load();
// Told below, wherever it is waited for.
engine.catch(() => {});

await speakEverywhere(preferredLanguage());
const photo = new Photo(engine);
const live = new Live(new OnDevice(engine), (moment) => {
  openTab("photo");
  photo.show(moment, "moment.png");
});
onTab((tab) => {
  if (tab !== "live") live.stop();
});
startTabs();
offerLanguages();
photo.clear();
live.refresh();
engine.then(start).catch(tellFailure);
keepForOffline();

/** What is known about the model stands in the page in the first language. @param {string} language */
async function speakEverywhere(language) {
  if (language !== document.documentElement.lang) {
    const response = await fetch(`about/${language}.json`);
    const { model, report } = await response.json();
    byId("about", HTMLElement).innerHTML = model;
    byId("report", HTMLElement).innerHTML = report;
  }
  await speak(language);
}

/** @param {Emotion} emotion */
function start(emotion) {
  photo.ready(emotion);
  name(emotion);
  document.body.dataset.ready = "true";
  emotion.warmUp(640, 480);
}

/** Name the labels where the page asks its question. @param {Emotion} emotion */
function name(emotion) {
  byId("question", HTMLElement).textContent = say("question", { labels: alternatives(emotion.labels) });
}

/** @param {unknown} error */
function tellFailure(error) {
  const reason = error instanceof Error ? error.message : String(error);
  const box = hint(say("failed"), say("failed.todo", { reason }));
  box.setAttribute("role", "alert");
  byId("trouble", HTMLElement).replaceChildren(box);
}

function offerLanguages() {
  const choice = byId("language", HTMLSelectElement);
  const names = new Map(languages.map((code) => [code, new Intl.DisplayNames([code], { type: "language" }).of(code)]));
  const current = document.documentElement.lang;
  choice.append(
    ...[...names].map(([code, name]) =>
      element("option", { value: code, lang: code, selected: code === current }, name ?? code),
    ),
  );
  byId("languages", HTMLElement).hidden = languages.length < 2;
  choice.addEventListener("change", async () => {
    try {
      await speakEverywhere(choice.value);
    } catch {
      // Without a connection there are only the languages that were shown before.
      choice.value = document.documentElement.lang;
      return;
    }
    keep(choice.value);
    photo.refresh();
    live.refresh();
    engine.then(name, () => {});
  });
}

function keepForOffline() {
  // Not in a page that was opened as a file, nor where a frame forbids it.
  navigator.serviceWorker?.register("offline.js").catch(() => {});
}
