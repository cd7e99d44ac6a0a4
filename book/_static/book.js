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

addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  reach();
  addEventListener("resize", reach);
});
