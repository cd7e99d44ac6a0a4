// What is too wide for the page scrolls inside its own box; here such a box
// is put into the tab order, so that the arrow keys can scroll it.
const WIDE = "mjx-container[display], .bd-article p, .bd-article figcaption,"
  + " .bd-article .pst-scrollable-table-container";

function reach() {
  for (const box of document.querySelectorAll(WIDE)) {
    const wide = getComputedStyle(box).overflowX !== "visible"
      && box.scrollWidth > box.clientWidth + 1;
    if (wide) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

// A table of class `stack` becomes blocks on a phone (book.css): its cells say
// which column they are, and it stays a table for screen readers.
function label() {
  const role = (table, tags, name) => table.querySelectorAll(tags)
    .forEach(e => e.setAttribute("role", name));
  for (const table of document.querySelectorAll("table.stack:not([role])")) {
    const heads = [...table.querySelectorAll("thead th")];
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.cells].slice(1).forEach((cell, k) => {
        cell.dataset.label = heads[k + 1].textContent;
      });
    }
    table.setAttribute("role", "table");
    role(table, "thead, tbody", "rowgroup");
    role(table, "tr", "row");
    role(table, "td", "cell");
    role(table, "th", "columnheader");
  }
}

addEventListener("DOMContentLoaded", label);
addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  reach();
  addEventListener("resize", reach);
});
