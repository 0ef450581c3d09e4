// Keeps the page for visits without a connection. emotion/web/browser/site.py puts this file beside index.html,
// with the SHA-256 of every file that the page needs: what has not changed is not fetched again.

/** @type {Record<string, string>} */
const FILES = {};
/** What is kept once it has been asked for. @type {string[]} */
const LATER = [];
const HOME = "index.html";
const NAME = "emotion-FILES";

/** @type {any} its types are not those of a page */
const worker = self;

worker.addEventListener("install", (/** @type {any} */ event) => event.waitUntil(keepAll()));
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(forgetOld()));
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const url = new URL(event.request.url);
  const own = url.origin === location.origin && event.request.method === "GET";
  if (own) event.respondWith(answer(event.request, url));
});

/** Keep every file, with the words of this visitor's languages: from an older version of the page, or else fetched. */
async function keepAll() {
  const kept = await caches.open(NAME);
  await Promise.all(
    Object.entries(FILES).filter(isNeeded).map(async ([path, digest]) => {
      const response = (await keptBefore(path, digest)) ?? (await fetched(path, digest));
      await kept.put(path, response);
    }),
  );
}

/** Other languages are kept once they have been asked for. @param {[string, string]} file */
function isNeeded([path]) {
  const language = path.match(/^(?:about|words)\/(\w+)\.json$/)?.[1];
  const wanted = ["en", ...navigator.languages.map((name) => name.split("-")[0])];
  return language === undefined || wanted.includes(language);
}

/** @param {string} path @param {string} digest */
async function keptBefore(path, digest) {
  const response = await caches.match(path);
  return response && (await digestOf(response.clone())) === digest ? response : null;
}

/** @param {string} path @param {string} digest */
async function fetched(path, digest) {
  // What the page has just loaded is in the browser's cache, the page itself as its folder, and may be stale there.
  const response = await fetch(path === HOME ? "./" : path, { cache: "force-cache" });
  if (response.ok && (await digestOf(response.clone())) === digest) return response;
  const fresh = await fetch(path, { cache: "reload" });
  if (!fresh.ok) throw new Error(`${path}: ${fresh.status}`);
  return fresh;
}

/** @param {Response} response */
async function digestOf(response) {
  const digest = await crypto.subtle.digest("SHA-256", await response.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function forgetOld() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("emotion-") && name !== NAME);
  await Promise.all(old.map((name) => caches.delete(name)));
  await worker.clients.claim();
}

/** @param {Request} request @param {URL} url */
async function answer(request, url) {
  const kept = await caches.open(NAME);
  const path = url.pathname.endsWith("/") ? HOME : request;
  const found = await kept.match(path, { ignoreSearch: true });
  if (found) return found;
  const isAsked = (/** @type {string} */ name) => new URL(name, location.href).href === url.href;
  const file = Object.entries(FILES).find(([name]) => isAsked(name));
  const response = file ? await fetched(...file) : await fetch(request);
  if (response.ok && (file || LATER.some(isAsked))) await kept.put(request, response.clone());
  return response;
}
