// Sorting is an extra: without JavaScript the tables stand as they are.
const number = (text) => (text === "" ? NaN : Number(text));

function order(x, y) {
  const [a, b] = [number(x), number(y)];
  if (Number.isNaN(a) && Number.isNaN(b)) return x.localeCompare(y);
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1;
  return a - b;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
      const rows = [...table.tBodies[0].rows];
      const [filled, empty] = [rows.filter((row) => key(row) !== ""), rows.filter((row) => key(row) === "")];
      filled.sort((a, b) => (up ? 1 : -1) * order(key(a), key(b)));
      table.tBodies[0].append(...filled, ...empty);
    });
  });
}
