// Selections: how they combine, how they are undone, and how a link holds them.

const REMEMBERED = 50;

/**
 * Select images, or add them to the selection, take them from it, or keep only them of it.
 * @param {State} state @param {(row: number) => boolean} chosen @param {string} [combine]
 */
function select(state, chosen, combine = state.combine) {
  const old = state.selection;
  const mask = new Uint8Array(N);
  let count = 0;
  for (let i = 0; i < N; i++) {
    const had = old !== null && old[i] === 1;
    const has = state.shown[i] === 1 && chosen(i);
    const keeps = { replace: has, add: had || has, remove: had && !has, within: had && has }[combine];
    if (keeps) {
      mask[i] = 1;
      count++;
    }
  }
  replaceSelection(state, count ? mask : null);
}

/** @param {State} state @param {Uint8Array | null} mask */
function replaceSelection(state, mask) {
  if (mask === null && state.selection === null) return;
  const earlier = [...state.earlier, state.selection].slice(-REMEMBERED);
  state.set({ selection: mask, earlier, ...(mask && state.tab === "image" ? { tab: "selection" } : {}) });
}

/** @param {State} state */
function undoSelection(state) {
  if (!state.earlier.length) return;
  state.set({ selection: state.earlier[state.earlier.length - 1], earlier: state.earlier.slice(0, -1) });
}

/**
 * A selection as text: lengths of the runs of unselected and selected images in turn, 7 bits a byte,
 * in base64 for addresses.
 * @param {Uint8Array} mask
 */
function encodeSelection(mask) {
  const bytes = [];
  for (let i = 0, wanted = 0; i < N; wanted = 1 - wanted) {
    let length = 0;
    while (i < N && mask[i] === wanted) {
      i++;
      length++;
    }
    for (; length > 127; length >>>= 7) bytes.push((length & 127) | 128);
    bytes.push(length);
  }
  const text = bytes.map((each) => String.fromCharCode(each)).join("");
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} text of `encodeSelection` @returns {Uint8Array | null} null for what is none */
function decodeSelection(text) {
  const mask = new Uint8Array(N);
  let letters = "";
  try {
    letters = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return null;
  }
  let row = 0,
    selected = 0,
    length = 0,
    shift = 0;
  for (const letter of letters) {
    const byte = letter.charCodeAt(0);
    length |= (byte & 127) << shift;
    shift += 7;
    if (byte > 127) continue;
    if (selected) mask.fill(1, row, row + length);
    row += length;
    selected = 1 - selected;
    length = shift = 0;
  }
  return mask.includes(1) ? mask : null;
}
