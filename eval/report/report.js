// Sorts the tables by the column whose header is clicked. Without JavaScript the tables stay as they are.
const toNumber = (text) => (text === "" ? NaN : Number(text));

// Numbers by value, before texts, which are in alphabetical order.
function compareCells(a, b) {
  const [x, y] = [toNumber(a), toNumber(b)];
  if (Number.isNaN(x) && Number.isNaN(y)) return a.localeCompare(b);
  if (Number.isNaN(x)) return 1;
  if (Number.isNaN(y)) return -1;
  return x - y;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const ascending = header.getAttribute("aria-sort") !== "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
      const rows = [...table.tBodies[0].rows];
      const filled = rows.filter((row) => value(row) !== "");
      const empty = rows.filter((row) => value(row) === ""); // last in both directions
      filled.sort((a, b) => (ascending ? 1 : -1) * compareCells(value(a), value(b)));
      table.tBodies[0].append(...filled, ...empty);
    });
  });
}
