"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const valueOf = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  headings.forEach((heading, column) => {
    heading.querySelector("button")?.addEventListener("click", () => {
      const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((one, other) => {
        const [a, b] = [valueOf(one, column), valueOf(other, column)];
        if (a === "" || b === "") return (a === "") - (b === ""); // what is unknown comes last
        const difference = heading.dataset.type === "number"
          ? (a === b ? 0 : Number(a) - Number(b))
          : a.localeCompare(b, undefined, { numeric: true });
        return direction * difference;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
if (matchMedia("(max-width: 40rem)").matches) {
  for (const plots of document.querySelectorAll("details.plots")) plots.open = false; // a phone has little room
}
addEventListener("beforeprint", () => {
  for (const plots of document.querySelectorAll("details.plots")) plots.open = true;
});
