// Where a selection went: its classes, and those of its neighbours in feature space, counted.

const FIRST = 120; // pictures of a gallery before it is asked for more

/** @param {State} state @param {number[]} rows @returns {{code: number, own: number, before: number, after: number, predicted: number}[]} a row a class, the largest first */
function countClasses(state, rows) {
  const { codes, values } = categories.label;
  const counts = values.map((_, code) => ({ code, own: 0, before: 0, after: 0, predicted: 0 }));
  for (const row of rows) {
    counts[codes[row]].own++;
    if (categories.prediction) counts[categories.prediction.codes[row]].predicted++;
    for (const stage of STAGES) for (const other of neighborsOf(stage, row)) counts[codes[other]][stage]++;
  }
  return counts
    .filter(({ own, before, after, predicted }) => own + before + after + predicted)
    .sort((a, b) => b.own - a.own || b.after - a.after);
}

/** @param {State} state @param {number[]} rows */
function wentTable(state, rows) {
  const counts = countClasses(state, rows);
  const sums = { before: 0, after: 0 };
  for (const each of counts) for (const stage of STAGES) sums[stage] += each[stage];
  const heads = [
    "Class",
    "Selected",
    ...(categories.prediction ? ["Head says"] : []),
    "Neighbours before",
    "Neighbours after",
  ];
  const body = counts.map(({ code, own, predicted, before, after }) => {
    const swatch = element("i");
    swatch.style.background = css(onPaper(categories.label.colors[code]));
    const shares = [
      [before, sums.before],
      [after, sums.after],
    ].map(([part, whole]) => {
      const cell = element("td", {}, percent(part / Math.max(whole, 1)));
      cell.style.setProperty("--share", String(part / Math.max(whole, 1)));
      return cell;
    });
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, swatch, named(categories.label.values[code])),
      element("td", {}, counted(own)),
      categories.prediction && element("td", {}, counted(predicted)),
      shares,
    );
  });
  return element(
    "table",
    { class: "went" },
    element(
      "caption",
      {},
      `Classes of the selected images and of their ${facts.k} nearest neighbours in feature space`,
    ),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        heads.map((head) => element("th", { scope: "col" }, head)),
      ),
    ),
    element("tbody", {}, body),
  );
}

/** @param {State} state */
function showSelection(state) {
  const panel = byId("selection");
  const empty = panel.firstElementChild;
  const show = () => {
    if (state.tab !== "selection") return;
    const rows = state.selection ? chosenRows(state) : [];
    panel.replaceChildren(
      ...(rows.length
        ? [categories.label && wentTable(state, rows), gallery(state, rows)].filter(Boolean)
        : [empty]),
    );
  };
  state.on(["selection", "shown", "tab"], show);
}

/** @param {State} state @param {number[]} rows */
function gallery(state, rows) {
  const pictures = element("div", { class: "gallery", role: "group", "aria-label": "Selected images" });
  let said = 0;
  const more = element("button", { type: "button", onclick: add }, "more");
  function add() {
    more.remove();
    pictures.append(...rows.slice(said, said + FIRST).map((row) => imageButton(state, row, captionOf(row))));
    said += FIRST;
    if (said < rows.length) pictures.append(more);
  }
  add();
  return pictures;
}
