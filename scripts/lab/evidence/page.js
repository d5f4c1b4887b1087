"use strict";

// The page reads without this; here the tables learn to sort and to filter.
const words = new Intl.Collator("en", {numeric: true});

function compare(a, b) {
  const difference = Number(a) - Number(b);
  return Number.isNaN(difference) ? words.compare(a, b) : difference;
}

function shown(cell) {
  return cell.dataset.value ?? cell.textContent.trim();
}

function sort(table, header, place) {
  const down = header.getAttribute("aria-sort") === "ascending";
  for (const each of table.tHead.rows[0].cells) each.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [shown(row.cells[place]), row]);
  rows.sort(([a], [b]) => {
    // What was not measured stays below, whichever way the others go.
    if ((a === "") !== (b === "")) return a === "" ? 1 : -1;
    return down ? compare(b, a) : compare(a, b);
  });
  body.append(...rows.map(([, row]) => row));
}

function filter(table, tools) {
  const sought = tools.querySelector("[data-search]").value.toLowerCase().split(/\s+/);
  const wanted = [...tools.querySelectorAll("select")].filter((each) => each.value);
  let count = 0;
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    const fits =
      sought.every((word) => text.includes(word)) &&
      wanted.every(
        (each) => row.cells[each.dataset.column].textContent.trim() === each.value,
      );
    row.hidden = !fits;
    count += fits;
  }
  const all = table.tBodies[0].rows.length;
  tools.querySelector("output").textContent = `${count} of ${all} rows`;
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((header, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(table, header, place));
    header.append(button);
    header.setAttribute("aria-sort", "none");
  });
  const tools = document.querySelector(`.tools[data-for="${table.id}"]`);
  tools.hidden = false;
  tools.addEventListener("input", () => filter(table, tools));
  filter(table, tools);
}
