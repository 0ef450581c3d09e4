// Keeps the page for visits without a connection. emotion/web/browser/site.py puts this file beside index.html,
// with the SHA-256 of every file that the page needs: what has not changed is not fetched again.

/** @type {Record<string, string>} */
const FILES = {};
/** What is kept once it has been asked for, and the words of this visitor at once. @type {string[]} */
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

/** Keep every file: from the page that is open, or else from an older version of it, or else fetched. */
async function keepAll() {
  const kept = await caches.open(NAME);
  await Promise.all(
    Object.entries(FILES).map(async ([path, digest]) => {
      const response = (await keptBefore(path, digest)) ?? (await fetched(path, digest));
      await kept.put(path, response);
    }),
  );
  const mine = navigator.languages.map((name) => `/${name.split("-")[0]}.json`);
  await kept.addAll(LATER.filter((path) => mine.some((ending) => path.endsWith(ending))));
}

/** @param {string} path @param {string} digest */
async function keptBefore(path, digest) {
  const response = await caches.match(path);
  return response && (await digestOf(response.clone())) === digest ? response : null;
}

/** @param {string} path @param {string} digest */
async function fetched(path, digest) {
  // What the page has just loaded is in the browser's cache, and may be stale there.
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
  const response = await fetch(request);
  const late = LATER.some((name) => new URL(name, location.href).href === url.href);
  if (late && response.ok) await kept.put(request, response.clone());
  return response;
}
