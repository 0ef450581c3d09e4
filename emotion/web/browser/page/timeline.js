// Answers over time, as emotion/web/html/answer.py draws them, and as a table for a file.

import { drawn, element } from "./dom.js";
import { labelName, say } from "./words.js";

/**
 * @import { Moment, TrackedFace } from "../engine/tracker.js"
 * @import { Settings } from "../engine/constants.js"
 */

const MOST_CHARTS = 3;

/**
 * A line chart of the last seconds for every face in sight; nothing where there is none.
 * @param {Settings} settings @param {Moment[]} moments @param {TrackedFace[]} faces
 */
export function timelineChart(settings, moments, faces) {
  const seconds = settings.constants.TRACKER.history;
  const end = moments.at(-1)?.time ?? 0;
  const shown = faces
    .map(({ id }) => ({ id, own: moments.filter(({ face }) => face.id === id) }))
    .filter(({ own }) => own.length > 0);
  if (!shown.length) return [];
  const busiest = [...shown].sort((one, other) => other.own.length - one.own.length).slice(0, MOST_CHARTS);
  const charts = shown.filter((each) => busiest.includes(each));
  const parts = charts.map(({ id, own }) => faceChart(settings, id, own, end - seconds, seconds));
  const ticks = element("div", { class: "em-ticks" });
  ticks.append(element("span", {}, say("live.ago", { seconds })), element("span", {}, say("live.now")));
  const chart = element("div", { class: "em-timeline" }, legend(settings), ...parts, ticks);
  const more = shown.length - charts.length;
  if (more) chart.append(element("p", {}, element("small", {}, say("live.more", { number: more }))));
  return [chart];
}

/** @param {Settings} settings @param {number} id @param {Moment[]} moments @param {number} start @param {number} span */
function faceChart(settings, id, moments, start, span) {
  const lines = settings.model.labels.map((label, index) => {
    const points = moments.map(({ time, face }) => {
      const [x, y] = [(100 * (time - start)) / span, 100 - 100 * face.probabilities[label]];
      return `${x.toFixed(2)},${y.toFixed(1)}`;
    });
    return drawn("polyline", { points: points.join(" "), ...stroke(settings, label, index) });
  });
  const name = say("live.chart", { number: id, label: labelName(mostly(moments)) });
  const svg = drawn(
    "svg",
    { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": name },
    drawn("path", { d: "M0 0H100M0 50H100M0 100H100", class: "em-grid" }),
    ...lines,
  );
  return element("div", { class: "em-chart" }, element("span", {}, say("live.face", { number: id })), svg);
}

/** The answer that was given most often. @param {Moment[]} moments */
function mostly(moments) {
  /** @type {Map<string | null, number>} */
  const counts = new Map();
  for (const { face } of moments) counts.set(face.label, (counts.get(face.label) ?? 0) + 1);
  const [[label]] = [...counts].sort((one, other) => other[1] - one[1]);
  return label;
}

/** @param {Settings} settings */
function legend(settings) {
  const items = settings.model.labels.map((label, index) => {
    const line = drawn("path", { d: "M0 4H30", ...stroke(settings, label, index) });
    const sign = drawn("svg", { viewBox: "0 0 30 8", width: "30", height: "8", "aria-hidden": "true" }, line);
    return element("span", {}, sign, labelName(label));
  });
  return element("div", { class: "em-legend" }, ...items);
}

/** Lines differ by more than their colour. @param {Settings} settings @param {string} label @param {number} index */
function stroke({ colours, dashes }, label, index) {
  return { stroke: colours[label].background, "stroke-dasharray": dashes[index % dashes.length] };
}

/**
 * One row a moment, as emotion/predictions/face.py writes it.
 * @param {Settings} settings @param {Moment[]} moments @param {string} name of what was seen
 */
export function timelineCsv({ model: { labels }, formulaSigns }, moments, name) {
  // What a spreadsheet would run as a formula is defused.
  const defused = (/** @type {string} */ text) => (formulaSigns.some((sign) => text.startsWith(sign)) ? `'${text}` : text);
  const place = ["face", "x", "y", "width", "height"];
  const head = ["file", "time_seconds", ...place, "label", "confidence", "reason", ...labels.map(defused), "error"];
  const rows = moments.map(({ time, face }) => [
    defused(name),
    time.toFixed(3),
    face.id,
    ...face.box,
    defused(face.label ?? ""),
    face.confidence.toFixed(4),
    face.reason ?? "",
    ...labels.map((label) => face.probabilities[label].toFixed(4)),
    "",
  ]);
  return [head, ...rows].map((row) => row.map(quoted).join(",") + "\n").join("");
}

/** @param {string | number} value */
function quoted(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
