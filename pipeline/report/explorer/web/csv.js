// The selection as a table for other programs.

const FORMULA = /^[=+\-@\t\r]/; // how a cell begins that a spreadsheet computes

/** A cell of CSV; an apostrophe before what a spreadsheet would compute. @param {string} text */
function cell(text) {
  const safe = FORMULA.test(text) && (text.trim() === "" || isNaN(Number(text))) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** @param {number[]} rows */
function csvOf(rows) {
  const names = ["id", ...(facts.files ? ["file"] : []), ...Object.keys(categories), ...Object.keys(scores)];
  const lines = rows.map((row) => [
    facts.ids[row],
    ...(facts.files ? [facts.files[row]] : []),
    ...Object.keys(categories).map((name) => valueName(name, row)),
    ...Object.values(scores).map((score) => String(Number(valueOf(score, row).toFixed(4)))),
  ]);
  return [names, ...lines].map((line) => `${line.map(cell).join(",")}\n`).join("");
}

/** Save the selected images, or all that are shown. @param {State} state */
function saveCsv(state) {
  const address = URL.createObjectURL(new Blob([csvOf(chosenRows(state))], { type: "text/csv" }));
  element("a", { href: address, download: `${facts.study}_${facts.backbone}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
