// What the page holds: names and titles as JSON, arrays in base64, decoded when first asked for.

/** @typedef {"before" | "after"} Stage */
/** @typedef {{name: string, title: string, values: string[], colors: number[][], codes: Uint8Array | Uint16Array, counts: number[]}} Category */
/** @typedef {{name: string, title: string, low: number, steps: number, raw: Uint8Array | Uint16Array, min: number, max: number}} Score */

/** @type {Stage[]} */
const STAGES = ["before", "after"];
const ABSENT = 65535; // coordinate of a point that was not laid out
const NOBODY = 2 ** 24 - 1; // row of a neighbour that is not on the page

const facts = JSON.parse(byId("facts").textContent);
const N = /** @type {number} */ (facts.points);

/** @type {Map<string, any>} */
const decoded = new Map();

/**
 * An array of the page. Its text is given up once it is decoded.
 * @param {string} name
 * @returns {any} Uint8Array, Uint16Array or Uint32Array
 */
function array(name) {
  let values = decoded.get(name);
  if (values) return values;
  const holder = /** @type {HTMLElement} */ (document.querySelector(`[data-array="${name}"]`));
  const text = atob(holder.textContent || "");
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  if (holder.dataset.kind === "uint8") values = bytes;
  else if (holder.dataset.kind === "uint16") values = new Uint16Array(bytes.buffer);
  else {
    values = new Uint32Array(bytes.length / 3);
    for (let i = 0; i < values.length; i++) {
      values[i] = bytes[3 * i] | (bytes[3 * i + 1] << 8) | (bytes[3 * i + 2] << 16);
    }
  }
  decoded.set(name, values);
  holder.textContent = "";
  return values;
}

/** Coordinates x, y of every image in steps of the square. @param {string} method @param {Stage} stage */
const coordinates = (method, stage) => /** @type {Uint16Array} */ (array(`xy/${method}/${stage}`));

/** How many images a method laid out. @param {string} method @param {Stage} stage */
function countLaidOut(method, stage) {
  const xy = coordinates(method, stage);
  let count = 0;
  for (let i = 0; i < N; i++) if (xy[2 * i] !== ABSENT) count++;
  return count;
}

/** @type {Record<string, Category>} */
const categories = {};
for (const each of facts.categories) {
  const codes = array(`category/${each.name}`);
  const counts = each.values.map(() => 0);
  for (let i = 0; i < N; i++) counts[codes[i]]++;
  categories[each.name] = { ...each, codes, counts };
}

/** @type {Record<string, Score>} */
const scores = {};
for (const each of facts.scores) {
  const raw = array(`score/${each.name}`);
  scores[each.name] = { ...each, raw, min: each.low, max: 1 };
}

/** @param {Score} score @param {number} row */
const valueOf = (score, row) => score.low + score.raw[row] / score.steps;

/** A value of a score for people: neighbours are counted, and a change has its sign. @param {Score} score @param {number} value */
function scoreText(score, value) {
  if (score.name === "overlap") return `${Math.round(value * facts.k)} of ${facts.k}`;
  return `${score.min < 0 && value > 0 ? "+" : ""}${percent(value)}`;
}

/** @param {string} category @param {number} row */
const valueName = (category, row) => categories[category].values[categories[category].codes[row]];

/** What people call an image. @param {number} row */
const nameOf = (row) => (facts.files ? facts.files[row] : `id ${facts.ids[row]}`);

/** Nearest neighbours in feature space that are on the page. @param {Stage} stage @param {number} row */
function neighborsOf(stage, row) {
  const all = array(`neighbors/${stage}`);
  return Array.from(all.subarray(row * facts.k, (row + 1) * facts.k)).filter((each) => each !== NOBODY);
}

/** Whether the head misses the class of an image; null where nothing is known of that. */
const misses =
  categories.label && categories.prediction
    ? (/** @type {number} */ row) => categories.label.codes[row] !== categories.prediction.codes[row]
    : null;
