// What faces show, as parts of the page: bars, cards, the verdict, boxes over a video.

import { element, write } from "./dom.js";
import { alternatives, labelName, percent, reasonText, say } from "./words.js";

/**
 * @import { Answer } from "../engine/calibration.js"
 * @import { Box } from "../engine/picture.js"
 * @import { Colour, Settings } from "../engine/constants.js"
 */

/** The colour of an answer. @param {Settings} settings @param {string | null} label @returns {Colour} */
export function colourOf(settings, label) {
  return label === null ? settings.notSureColour : settings.colours[label];
}

/**
 * Bars that can be moved: one per label, in the model's order.
 * @param {Settings} settings
 */
export function bars(settings) {
  const rows = settings.model.labels.map((label) => {
    const fill = element("span");
    fill.style.background = colourOf(settings, label).background;
    const number = element("span");
    const row = element("span", { class: "em-bar" }, element("span", {}, labelName(label)));
    row.append(element("span", { class: "em-track" }, fill), number);
    return { label, row, fill, number };
  });
  const shown = element("span", { class: "em-bars" }, ...rows.map(({ row }) => row));
  /** @param {Record<string, number>} probabilities */
  const move = (probabilities) => {
    for (const { label, fill, number } of rows) {
      fill.style.width = `${(100 * probabilities[label]).toFixed(1)}%`;
      write(number, percent(probabilities[label]));
    }
  };
  return { shown, move };
}

/**
 * The answer for one face in words.
 * @param {Settings} settings @param {Answer} face @param {number} index @param {number} faces @param {Node} portrait
 */
export function verdict(settings, face, index, faces, portrait) {
  const { shown, move } = bars(settings);
  move(face.probabilities);
  const title = faces > 1 ? say("verdict.several", { number: index + 1, faces }) : say("verdict.one");
  const answer = element("strong", {}, labelName(face.label));
  // The label stands where the language wants it.
  const [before, after] = face.label === null ? ["", ""] : say("verdict.looks", { label: "\n" }).split("\n");
  const detail =
    face.label === null ? reasonText(face.reason) : say("verdict.sure", { confidence: percent(face.confidence) });
  const words = element("div", {}, element("span", {}, title), element("p", {}, before, answer, after));
  words.append(element("small", {}, detail));
  const card = element("div", { class: "em-verdict" }, portrait, words);
  card.style.setProperty("--em", colourOf(settings, face.label).background);
  const caption = element("p", { class: "bars-caption" }, say("bars", { labels: alternatives(settings.model.labels) }));
  return [card, element("div", { class: "bars-panel" }, caption, shown)];
}

/**
 * One button per face.
 * @param {Settings} settings @param {Answer[]} faces @param {Node[]} portraits @param {number} selected
 * @param {(index: number) => void} choose
 */
export function cards(settings, faces, portraits, selected, choose) {
  const buttons = faces.map((face, index) => {
    const { shown, move } = bars(settings);
    move(face.probabilities);
    const name = element("span", {}, element("b", {}, String(index + 1)), ` ${labelName(face.label)}`);
    const pressed = String(index === selected);
    const button = element("button", { type: "button", class: "em-card", "aria-pressed": pressed });
    button.append(portraits[index], name, shown);
    button.style.setProperty("--em", colourOf(settings, face.label).background);
    button.addEventListener("click", () => choose(index));
    return button;
  });
  const group = element("div", { class: "em-cards", role: "group", "aria-label": say("photo.choose-face") });
  group.append(...buttons);
  return group;
}

/** "happy 97 %", or "not sure". @param {Answer} face */
export function described(face) {
  return face.label === null ? labelName(null) : `${labelName(face.label)} ${percent(face.confidence)}`;
}

/**
 * Sort faces as a page is read, line by line: those whose middles are less than half a face apart in height share
 * a line.
 * @template {{ box: Box }} T
 * @param {T[]} faces
 * @returns {T[]}
 */
export function inReadingOrder(faces) {
  const middle = (/** @type {T} */ { box: [, y, , height] }) => y + height / 2;
  /** @type {T[][]} */
  const lines = [];
  for (const face of [...faces].sort((one, other) => middle(one) - middle(other))) {
    const line = lines.at(-1);
    if (line && middle(face) - middle(line[0]) < line[0].box[3] / 2) line.push(face);
    else lines.push([face]);
  }
  return lines.flatMap((line) => line.sort((one, other) => one.box[0] - other.box[0]));
}
