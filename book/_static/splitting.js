// A certificate's explorer (book/tools/splitting.py): compute.js halves
// intervals until the tolerance is met, here they are drawn.
function splitting(box) {
  const data = JSON.parse(box.querySelector("script").textContent);
  const stairs = box.querySelector(".stairs");
  const slider = box.querySelector("input");
  const says = box.querySelector(":scope > .says");
  const [low, high] = data.scale;
  const x = s => (LEFT + (RIGHT - LEFT) * s).toFixed(2);
  const y = loss => {
    const share = (Math.log10(loss) - low) / (high - low);
    return (LOW - Math.min(Math.max(share, 0), 1) * (LOW - HIGH)).toFixed(1);
  };
  const digits = value => String(Number(value.toPrecision(4)));

  function show() {
    const tolerance = data.tolerances[slider.valueAsNumber];
    const {leaves, upper, attained, count} =
      landscape.bisect(data, tolerance);
    stairs.setAttribute("d", leaves.map(([start, stop, bound]) =>
      `M${x(start)} ${LOW}V${y(bound)}H${x(stop)}V${LOW}`).join(""));
    const told = `Tolerance ${digits(100 * tolerance)} %: ${leaves.length} `
      + `intervals, ${count} bounded on the way. The loss is nowhere above `
      + `${digits(upper)}; ${digits(attained)} was found.`;
    slider.setAttribute("aria-valuetext", told);
    says.textContent = told;
  }

  slider.addEventListener("input", show);
  box.querySelector(".controls").hidden = false;
  show();
}

addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-kind=splitting]").forEach(splitting);
});
