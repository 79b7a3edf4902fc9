// What a person has chosen, in one place. Parts of the page listen to what concerns them.

/** @typedef {"all" | "right" | "wrong"} Wrong */
/** @typedef {"pan" | "lasso" | "box"} Tool */

class State {
  constructor() {
    const preferred = ["tsne", "umap", facts.methods[0].name];
    const method = preferred.find((name) =>
      facts.methods.some((/** @type {any} */ each) => each.name === name),
    );
    /** @type {Record<Stage, string>} */
    this.methods = { before: method, after: method };
    this.sameMethod = true;
    this.color = categories.label ? "label" : "overlap";
    /** @type {Record<string, Set<number>>} codes of each category that are filtered out */
    this.hidden = {};
    /** @type {Wrong} */
    this.wrong = "all";
    /** @type {Record<string, [number, number]>} bounds of scores that are filtered by */
    this.ranges = {};
    /** @type {Uint8Array | null} 1 for images that are selected */
    this.selection = null;
    /** @type {(Uint8Array | null)[]} selections before this one */
    this.earlier = [];
    this.focus = -1;
    this.hover = -1;
    /** @type {{codes: ArrayLike<number>, code: number} | null} the value of a category that alone stands out for now */
    this.spot = null;
    this.morph = 0;
    /** @type {Tool} */
    this.tool = "pan";
    this.combine = "replace";
    this.pictures = true;
    this.tab = "image";
    /** 1 for images that pass all filters; follows from them */
    this.shown = new Uint8Array(N).fill(1);
    /** @type {{keys: string[], listener: () => void}[]} */
    this.listeners = [];
  }

  /** @param {string[]} keys @param {() => void} listener called when one of them was set */
  on(keys, listener) {
    this.listeners.push({ keys, listener });
  }

  /** @param {Record<string, any>} changes */
  set(changes) {
    Object.assign(this, changes);
    for (const { keys, listener } of this.listeners) if (keys.some((key) => key in changes)) listener();
  }

  /** Whether an image is both selected and shown. @param {number} row */
  isSelected(row) {
    return this.selection !== null && this.selection[row] === 1 && this.shown[row] === 1;
  }
}

/** @param {State} state @returns {number[]} rows of the selection that are shown; of all that is shown without one */
function chosenRows(state) {
  const rows = [];
  for (let i = 0; i < N; i++) if (state.selection ? state.isSelected(i) : state.shown[i]) rows.push(i);
  return rows;
}
