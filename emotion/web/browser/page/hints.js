// What stands where no answer does.

import { element } from "./dom.js";
import { say } from "./words.js";

/** @param {string} title @param {string} text */
export function hint(title, text) {
  return element("div", { class: "em-hint" }, element("b", {}, title), element("p", {}, text));
}

/** What went wrong, and what to do. @param {string} message */
export function problem(message) {
  const box = hint(say("problem"), message);
  box.classList.add("problem");
  box.setAttribute("role", "alert");
  return box;
}

/** A picture without a face, and what helps. */
export function noFace() {
  const tips = ["light", "distance", "frontal"].map((tip) => element("li", {}, say(`noface.${tip}`)));
  const box = hint(say("noface"), say("noface.helps"));
  box.append(element("ul", {}, ...tips));
  return box;
}
