// Colours: of classes as in the figure, of scores by ramps that every colour vision tells apart.

const VIRIDIS = [
  "#440154",
  "#472d7b",
  "#3b528b",
  "#2c728e",
  "#21918c",
  "#28ae80",
  "#5ec962",
  "#addc30",
  "#fde725",
];
const DIVERGING = ["#b2480a", "#d98243", "#e3b48f", "#9c9ca1", "#8fb3d9", "#3f84c4", "#0b559f"]; // less, none, more
const NEAR = "near"; // coloured by rank among the neighbours of the image under the pointer

const darkness = matchMedia("(prefers-color-scheme: dark)");

/** @param {string} hex @returns {number[]} */
const rgbOf = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** @param {number[]} color */
const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;

/** A colour of the figure, whose paper is white, lighter where it would sink into dark paper. @param {number[]} color */
function onPaper(color) {
  if (!darkness.matches) return color;
  const [red, green, blue] = color;
  const light = (0.3 * red + 0.59 * green + 0.11 * blue) / 255;
  const white = Math.max(0, 0.45 - light);
  return color.map((channel) => Math.round(channel + white * (255 - channel)));
}

/** The colour of a share of a ramp, which leaves out what paper swallows. @param {string[]} ramp @param {number} share */
function onRamp(ramp, share) {
  const [first, last] = ramp === DIVERGING ? [0, 1] : darkness.matches ? [0.22, 1] : [0, 0.9];
  const at = (first + (last - first) * share) * (ramp.length - 1);
  const below = Math.min(Math.floor(at), ramp.length - 2);
  const [low, high] = [rgbOf(ramp[below]), rgbOf(ramp[below + 1])];
  return low.map((channel, i) => Math.round(channel + (at - below) * (high[i] - channel)));
}

/** @param {Score} score */
const rampOf = (score) => (score.min < 0 ? DIVERGING : VIRIDIS);

/** Where a ramp ends: at the largest value, since few neighbours of all may be kept; that of a change is symmetric. @param {Score} score */
function topOf(score) {
  if (score.min < 0) return score.max;
  let most = 1;
  for (const step of score.raw) most = Math.max(most, step);
  return score.min + most / score.steps;
}

/** Ways to colour points, by name. @returns {{name: string, title: string}[]} */
function colorings() {
  const near = { name: NEAR, title: "Nearest to the pointed image" };
  return [...Object.values(categories), ...Object.values(scores), near];
}

/**
 * The colours of all images, three bytes each.
 * @param {string} coloring @returns {Uint8Array}
 */
function pointColors(coloring) {
  const colors = new Uint8Array(3 * N).fill(150);
  if (coloring in categories) {
    const { codes, colors: own } = categories[coloring];
    const palette = own.map(onPaper);
    for (let i = 0; i < N; i++) colors.set(palette[codes[i]], 3 * i);
  } else if (coloring in scores) {
    const score = scores[coloring];
    const levels = Math.round((topOf(score) - score.min) * score.steps);
    const palette = Array.from({ length: levels + 1 }, (_, step) => onRamp(rampOf(score), step / levels));
    for (let i = 0; i < N; i++) colors.set(palette[score.raw[i]], 3 * i);
  }
  return colors;
}
