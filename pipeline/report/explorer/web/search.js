// Search by id or by a part of a file's name.

const FOUND = 30;

/** @param {string} text @returns {number[]} rows, first that of this id */
function findImages(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const rows = facts.ids.indexOf(wanted) < 0 ? [] : [facts.ids.indexOf(wanted)];
  for (let i = 0; facts.files && i < N; i++)
    if (facts.files[i].toLowerCase().includes(wanted) && i !== rows[0]) rows.push(i);
  return rows;
}

/** @param {State} state */
function showSearch(state) {
  const field = byId("search"),
    results = byId("found");
  const close = () => {
    results.hidden = true;
    field.setAttribute("aria-expanded", "false");
  };
  /** @param {number} row */
  const go = (row) => {
    state.set({ focus: row, tab: "image" });
    close();
  };
  field.addEventListener("input", () => {
    const rows = findImages(field.value);
    const all = element(
      "button",
      {
        type: "button",
        onclick: () => {
          const found = new Set(rows);
          select(state, (row) => found.has(row));
          close();
        },
      },
      `Select all ${counted(rows.length)}`,
    );
    const entries = rows
      .slice(0, FOUND)
      .map((row) =>
        element(
          "button",
          { type: "button", onclick: () => go(row) },
          thumbnail(row, 20),
          named(facts.files ? facts.files[row] : ""),
          element("small", {}, `id ${facts.ids[row]}`),
        ),
      );
    results.replaceChildren(...(rows.length ? [all, ...entries] : [element("p", {}, "no such image")]));
    results.hidden = !field.value.trim();
    field.setAttribute("aria-expanded", String(!results.hidden));
  });
  field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const rows = findImages(field.value);
    if (event.key === "Enter" && rows.length) go(rows[0]);
    if (event.key === "Escape") close();
  });
  field.form.addEventListener("focusout", (/** @type {FocusEvent} */ event) => {
    if (event.relatedTarget && !field.form.contains(event.relatedTarget)) close();
  });
  field.form.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
}
