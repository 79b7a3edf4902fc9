// One image: what is known of it, in a tip under the pointer and in a panel with its neighbours.

const LARGE = 80,
  SMALL = 34; // CSS pixels of pictures

/** @param {number} row @returns {[string, any][]} what is known of an image, term and value */
function knownOf(row) {
  /** @type {[string, any][]} */
  const known = [["id", facts.ids[row]]];
  if (facts.files) known.push(["file", named(facts.files[row])]);
  for (const { name, title } of Object.values(categories)) {
    const wrong =
      name !== "label" && name !== "split" && categories[name].codes[row] !== categories.label.codes[row];
    known.push([
      title,
      element(
        "span",
        { class: wrong ? "wrong" : null },
        named(valueName(name, row)),
        wrong ? " ≠ class" : "",
      ),
    ]);
  }
  for (const score of Object.values(scores))
    known.push([score.title, scoreText(score, valueOf(score, row))]);
  return known;
}

/** @param {number} row */
const list = (row) =>
  element(
    "dl",
    {},
    knownOf(row).map(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]),
  );

/** Say what an image is, beside the pointer. @param {Pane} pane @param {number} row @param {MouseEvent} [event] */
function hoverOver(pane, row, event) {
  const tip = byId("tip");
  if (row !== pane.state.hover) {
    pane.state.set({ hover: row });
    tip.replaceChildren(...(row < 0 ? [] : [thumbnail(row, LARGE), list(row)].filter(Boolean)));
  }
  tip.hidden = row < 0;
  if (row < 0 || !event) return;
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = event.clientX + 16 + width > innerWidth ? event.clientX - 16 - width : event.clientX + 16;
  tip.style.left = `${Math.max(left, 4)}px`;
  tip.style.top = `${Math.max(Math.min(event.clientY + 16, innerHeight - height - 8), 4)}px`;
}

/** Neighbours that an image has before and after. @param {number} row @returns {Set<number>} */
function keptNeighbors(row) {
  const after = new Set(neighborsOf("after", row));
  return new Set(neighborsOf("before", row).filter((each) => after.has(each)));
}

/** Show an image in its panel, from a button that goes: the keyboard goes on at the tab of that panel. @param {State} state @param {number} row */
function showInPanel(state, row) {
  state.set({ focus: row, tab: "image" });
  byId("tab-image").focus();
}

/** What stands under a picture among others: the class, if there are classes. @param {number} row */
const captionOf = (row) => element("span", {}, named(categories.label ? valueName("label", row) : nameOf(row)));

/** A button with the picture of an image, which points at it and puts it in focus. @param {State} state @param {number} row @param {...any} captions */
function imageButton(state, row, ...captions) {
  return element(
    "button",
    {
      type: "button",
      class: "image",
      "data-row": row,
      title: nameOf(row),
      onclick: () => showInPanel(state, row),
      onpointerenter: () => state.set({ hover: row }),
      onpointerleave: () => state.set({ hover: -1 }),
      onfocus: () => state.set({ hover: row }),
      onblur: () => state.set({ hover: -1 }),
    },
    thumbnail(row, SMALL),
    captions,
  );
}

/** @param {State} state */
function showImage(state) {
  const panel = byId("image");
  const empty = panel.firstElementChild;
  state.on(["focus"], () => {
    const row = state.focus;
    panel.replaceChildren(...(row < 0 ? [empty] : [described(state, row)]));
  });
}

/** @param {State} state @param {number} row */
function described(state, row) {
  const close = element("button", { type: "button", onclick: () => showInPanel(state, -1) }, "Close");
  const own = element("div", { class: "own" }, element("div", {}, thumbnail(row, LARGE), close), list(row));
  return element(
    "div",
    { class: "described" },
    own,
    STAGES.map((stage) => neighborList(state, stage, row)),
  );
}

/** @param {State} state @param {Stage} stage @param {number} row */
function neighborList(state, stage, row) {
  const kept = keptNeighbors(row),
    neighbors = neighborsOf(stage, row);
  const changed = stage === "before" ? "lost" : "gained";
  const buttons = neighbors.map((each) => {
    const mark = kept.has(each) ? "kept" : changed;
    return element(
      "li",
      { class: mark, "data-mark": mark },
      imageButton(state, each, captionOf(each), element("small", {}, mark)),
    );
  });
  const missing = facts.k - neighbors.length;
  return element(
    "section",
    { class: "neighbors", "data-stage": stage },
    element(
      "h3",
      {},
      `Nearest ${stage}: ${kept.size} kept, ${neighbors.length - kept.size} ${changed}`,
      missing ? `, ${missing} not on this page` : "",
    ),
    element("ol", {}, buttons),
  );
}
