// The sections of the page: one is shown, arrow keys and the address lead to the others.

/** @type {((name: string) => void)[]} */
const listeners = [];

/** Call back whenever another section is shown. @param {(name: string) => void} listener */
export function onTab(listener) {
  listeners.push(listener);
}

export function startTabs() {
  const tabs = all();
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => openTab(nameOf(tab)));
    tab.addEventListener("keydown", (event) => {
      const backwards = document.dir === "rtl" ? "ArrowRight" : "ArrowLeft";
      const forwards = document.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
      const to = { [backwards]: index - 1, [forwards]: index + 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = tabs[(to + tabs.length) % tabs.length];
      openTab(nameOf(next));
      next.focus();
    });
  }
  addEventListener("hashchange", () => show(location.hash.slice(1)));
  show(location.hash.slice(1));
}

/** Show a section, and name it in the address. @param {string} name */
export function openTab(name) {
  history.replaceState(null, "", `#${name}`);
  show(name);
}

/** @param {string} name of a section, or of none */
function show(name) {
  const tabs = all();
  const chosen = tabs.find((tab) => nameOf(tab) === name) ?? tabs[0];
  for (const tab of tabs) {
    const selected = tab === chosen;
    tab.setAttribute("aria-selected", String(selected));
    tab.tabIndex = selected ? 0 : -1;
    const panel = document.getElementById(nameOf(tab));
    if (panel) panel.hidden = !selected;
  }
  for (const listener of listeners) listener(nameOf(chosen));
}

function all() {
  return [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[role=tab]"))];
}

/** @param {Element} tab */
function nameOf(tab) {
  return tab.getAttribute("aria-controls") ?? "";
}
