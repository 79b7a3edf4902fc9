// What is drawn of each image: its colour, its opacity, and when, since later points cover earlier ones.

const FULL = 225,
  FAINT = 34; // opacities, of 255
const MANY = 3000; // points overlap from here on

/** @typedef {{colors: Uint8Array, order: Uint32Array}} Marks four bytes a row, and rows in the order of drawing */

class Painter {
  /** @param {State} state */
  constructor(state) {
    this.state = state;
    /** @type {Uint8Array} */
    this.colors = pointColors(state.color);
    state.on(["color"], () => {
      this.colors = pointColors(state.color);
    });
    darkness.addEventListener("change", () => {
      this.colors = pointColors(state.color);
    });
  }

  /** @param {Stage} stage @returns {Marks} */
  marks(stage) {
    const { shown, selection, spot } = this.state;
    const near = this.state.color === NEAR ? this.near(stage) : null;
    const colors = new Uint8Array(4 * N);
    /** @type {number[]} */
    const back = [];
    /** @type {number[]} */
    const front = [];
    for (const row of array("order")) {
      if (!shown[row]) continue;
      const stands = spot
        ? spot.codes[row] === spot.code
        : near
          ? near.has(row)
          : selection === null || selection[row] === 1;
      colors.set(near?.get(row) || this.colors.subarray(3 * row, 3 * row + 3), 4 * row);
      colors[4 * row + 3] = stands ? (N > MANY ? FULL : 255) : FAINT;
      (stands ? front : back).push(row);
    }
    return { colors, order: Uint32Array.from([...back, ...front]) };
  }

  /** Colours of the image under the pointer and of its neighbours, by rank. @param {Stage} stage */
  near(stage) {
    /** @type {Map<number, number[]>} */
    const found = new Map();
    const row = this.state.hover >= 0 ? this.state.hover : this.state.focus;
    if (row < 0) return found;
    const rows = [row, ...neighborsOf(stage, row)];
    rows
      .reverse()
      .forEach((each, i) => found.set(each, onRamp(VIRIDIS, 0.9 * (i / Math.max(rows.length - 1, 1)))));
    return found;
  }
}
