// All images, or the selected ones, in a table: first those that kept the fewest neighbours.

const LINES = 100;
const FIRST_CHANGED = `, those that kept the fewest neighbours first${scores.own_gain ? "; of equals, those of the least gain of own-class share" : ""}`;

/** @typedef {{title: string, value: (row: number) => number | string, text: (row: number) => any}} Column */

/** @returns {Column[]} */
function columns() {
  const id = {
    title: "id",
    value: (/** @type {number} */ row) => (isNaN(facts.ids[row]) ? facts.ids[row] : Number(facts.ids[row])),
    text: (/** @type {number} */ row) => facts.ids[row],
  };
  const file = {
    title: "file",
    value: (/** @type {number} */ row) => facts.files[row],
    text: (/** @type {number} */ row) => named(facts.files[row]),
  };
  const ofCategories = Object.values(categories).map(({ name, title }) => ({
    title,
    value: (/** @type {number} */ row) => valueName(name, row),
    text: (/** @type {number} */ row) => named(valueName(name, row)),
  }));
  const ofScores = Object.values(scores).map((score) => ({
    title: score.title,
    value: (/** @type {number} */ row) => valueOf(score, row),
    text: (/** @type {number} */ row) => scoreText(score, valueOf(score, row)),
  }));
  return [id, ...(facts.files ? [file] : []), ...ofScores, ...ofCategories];
}

/** Rows from the most to the least changed: few neighbours kept, then much of the own class lost. @param {number[]} rows */
function byChange(rows) {
  const gain = scores.own_gain;
  return rows.sort(
    (a, b) =>
      scores.overlap.raw[a] - scores.overlap.raw[b] || (gain ? gain.raw[a] - gain.raw[b] : 0) || a - b,
  );
}

/** @param {State} state */
function showTable(state) {
  const all = columns();
  let sorted = -1,
    descending = false,
    lines = LINES;
  const body = element("tbody");
  const heads = all.map(({ title }, i) =>
    element("th", { scope: "col" }, element("button", { type: "button", onclick: () => sort(i) }, title)),
  );
  const more = element(
    "button",
    {
      type: "button",
      onclick: () => {
        lines += LINES;
        show();
      },
    },
    "more",
  );
  const said = element("p", { class: "faint" });
  byId("table").append(
    said,
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "image"), heads)),
      body,
    ),
    more,
  );

  /** @param {number} column */
  function sort(column) {
    descending = column === sorted && !descending;
    sorted = column;
    heads.forEach((head, i) => {
      if (i === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    lines = LINES;
    show();
  }

  function show() {
    if (state.tab !== "table") return;
    const rows = byChange(chosenRows(state));
    if (sorted >= 0) {
      const { value } = all[sorted],
        sign = descending ? -1 : 1;
      rows.sort((a, b) => {
        const x = value(a),
          y = value(b);
        return sign * (x < y ? -1 : x > y ? 1 : 0);
      });
    }
    said.textContent = `${plural(rows.length, state.selection ? "selected image" : "image")}${sorted < 0 ? FIRST_CHANGED : ""}`;
    body.replaceChildren(
      ...rows.slice(0, lines).map((row) =>
        element(
          "tr",
          {},
          element("td", {}, imageButton(state, row, !sheets && "show")),
          all.map(({ text }) => element("td", {}, text(row))),
        ),
      ),
    );
    more.hidden = lines >= rows.length;
  }
  state.on(["selection", "shown", "tab"], show);
}
