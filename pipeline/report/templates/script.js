"use strict";
// Tables sort by a click on a head: by number where every cell that says something begins with one.
const NUMBER = /^[+-]?[\d,]*\.?\d+(e[+-]?\d+)?(?=$|[\s%])/i;
const asNumber = (text) => { const found = text.match(NUMBER); return found ? parseFloat(found[0].replace(/,/g, "")) : NaN; };
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => ({ row, text: row.cells[column].textContent.trim() }));
      const said = rows.filter((each) => each.text !== "");
      const numeric = said.every((each) => !isNaN(asNumber(each.text)));
      const order = numeric ? (a, b) => asNumber(a.text) - asNumber(b.text) : (a, b) => a.text.localeCompare(b.text);
      said.sort((a, b) => (descending ? -1 : 1) * order(a, b));
      body.append(...[...said, ...rows.filter((each) => each.text === "")].map((each) => each.row));
    });
  });
}
// Paper cannot be unfolded.
let folded = [];
addEventListener("beforeprint", () => { folded = [...document.querySelectorAll("details:not([open])")]; folded.forEach((each) => { each.open = true; }); });
addEventListener("afterprint", () => { folded.forEach((each) => { each.open = false; }); });
