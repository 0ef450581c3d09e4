// What the page says, in the visitor's language: one table a language, in words/.

const KEPT = "language";

/** @type {Record<string, string>} */
let table = {};

/** The languages that there are a table for, the default first. */
export const languages = (document.documentElement.dataset.languages ?? "en").split(" ");

/** Those that are written from right to left. */
const RIGHT_TO_LEFT = ["ar"];

/** The one that was chosen here before, or the first of the browser's that there is. */
export function preferredLanguage() {
  const wanted = [kept(), ...navigator.languages].filter((name) => name !== null);
  const known = wanted.map((name) => languages.find((language) => name.split("-")[0] === language));
  return known.find((language) => language !== undefined) ?? languages[0];
}

/**
 * Read a language's table and show it in the page.
 * @param {string} language
 */
export async function speak(language) {
  const response = await fetch(new URL(`../words/${language}.json`, import.meta.url));
  table = await response.json();
  document.documentElement.lang = language;
  document.documentElement.dir = RIGHT_TO_LEFT.includes(language) ? "rtl" : "ltr";
  for (const target of document.querySelectorAll("[data-word]"))
    target.textContent = say(/** @type {HTMLElement} */ (target).dataset.word ?? "");
  for (const target of document.querySelectorAll("[data-word-label]"))
    target.setAttribute("aria-label", say(/** @type {HTMLElement} */ (target).dataset.wordLabel ?? ""));
}

/** Remember the language that was chosen. @param {string} language */
export function keep(language) {
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    // A page in a frame may have no storage; then the choice ends with the visit.
  }
}

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {Record<string, string | number>} [values] of the placeholders
 */
export function say(key, values = {}) {
  const text = table[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** The name of a label, or of none; a model's own labels are shown as they are. @param {string | null} label */
export function labelName(label) {
  if (label === null) return say("notSure");
  return table[`label.${label}`] ?? label;
}

/** "angry, happy or sad". @param {string[]} labels */
export function alternatives(labels) {
  const names = labels.map(labelName);
  const last = names.pop() ?? "";
  return names.length ? say("or", { first: names.join(say("comma")), last }) : last;
}

/** Why there is no label, as a sentence, or in two words. @param {string | null} reason @param {"reason" | "short"} [form] */
export function reasonText(reason, form = "reason") {
  return table[`${form}.${reason}`] ?? reason ?? "";
}

/** "87 %" as the language writes it. @param {number} share */
export function percent(share) {
  return say("percent", { number: Math.round(100 * share) });
}
