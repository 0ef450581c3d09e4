// What Gradio's page lacks: a switch of languages, arrow keys for tabs, and a place where answers are announced.

const YEAR = 365 * 24 * 60 * 60;

// The server reads it. In a Space, the page is in a frame of another site.
document.addEventListener("change", ({ target }) => {
  if (!(target instanceof HTMLSelectElement) || target.id !== "language") return;
  const framed = location.protocol === "https:" ? "SameSite=None; Secure; Partitioned" : "SameSite=Lax";
  document.cookie = `language=${target.value}; path=/; max-age=${YEAR}; ${framed}`;
  location.reload();
});

document.addEventListener("keydown", (event) => {
  const tab = event.target instanceof Element ? event.target.closest("[role=tab]") : null;
  if (!tab) return;
  const tabs = [...(tab.closest("[role=tablist]")?.querySelectorAll("[role=tab]") ?? [])];
  const step = document.dir === "rtl" ? -1 : 1;
  const index = tabs.indexOf(tab);
  const to = { ArrowRight: index + step, ArrowLeft: index - step, Home: 0, End: tabs.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const next = /** @type {HTMLElement} */ (tabs[(to + tabs.length) % tabs.length]);
  next.click();
  next.focus();
});
