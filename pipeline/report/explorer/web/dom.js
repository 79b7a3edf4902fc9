// Elements of the page. Whatever comes from outside becomes a text node or an attribute, never markup.

/**
 * @param {string} id
 * @returns {any} an element that the page has
 */
const byId = (id) => document.getElementById(id);

/**
 * @param {string} tag
 * @param {Record<string, any>} [properties] attributes; those named on... are listeners
 * @param {...any} children elements or text; null and false are left out
 * @returns {any}
 */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, String(value));
  }
  made.append(...children.flat(2).filter((child) => child != null && child !== false));
  return made;
}

/** A name from outside, in whatever direction its script is written. @param {string} name */
const named = (name) => element("bdi", {}, name);

/** @param {number} value */
const counted = (value) => value.toLocaleString("en");

/** @param {number} value @param {string} noun */
const plural = (value, noun) => `${counted(value)} ${noun}${value === 1 ? "" : "s"}`;

/** @param {number} share */
const percent = (share) => `${Math.round(100 * share)} %`;
