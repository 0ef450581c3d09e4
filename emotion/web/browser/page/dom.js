// Elements of the page: found by their id, and made without HTML in strings.

/**
 * @template {Element} T
 * @param {string} id @param {{ new (): T }} type
 * @returns {T}
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`#${id} is not in the page`);
  return found;
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {Record<string, string | boolean>} [attributes] `true` sets an empty one, `false` sets none
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  assign(made, attributes);
  made.append(...children);
  return made;
}

/**
 * @param {string} name @param {Record<string, string | boolean>} [attributes]
 * @param {...Node} children
 * @returns {SVGElement}
 */
export function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  assign(made, attributes);
  made.append(...children);
  return made;
}

/** @param {Element} target @param {Record<string, string | boolean>} attributes */
function assign(target, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "string") target.setAttribute(name, value);
    else target.toggleAttribute(name, value);
  }
}

/** Change a text only where it differs: what is read aloud is not read again. @param {Element} target @param {string} text */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Offer a file for download. @param {Blob} content @param {string} name */
export function download(content, name) {
  const link = element("a", { href: URL.createObjectURL(content), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // The browser has to have begun with it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
