// The explorer that computes (book/tools/builder.py): the page holds two
// networks and digits, the reader keeps and drops neurons and drags scales;
// compute.js has the numbers, explorer.js draws curves.
const short = value => String(Number(value.toPrecision(3)));

// Arrow keys move among the buttons of a toolbar, of which Tab reaches one.
function roving(bar, buttons) {
  const columns = () =>
    getComputedStyle(bar).gridTemplateColumns.split(" ").length;
  const moves = {
    ArrowLeft: () => -1, ArrowRight: () => 1,
    ArrowUp: () => -columns(), ArrowDown: () => columns(),
    Home: k => -k, End: k => buttons.length - 1 - k,
  };
  const reach = k => buttons.forEach((button, i) => {
    button.tabIndex = i === k ? 0 : -1;
  });
  bar.addEventListener("keydown", event => {
    const k = buttons.indexOf(event.target);
    const to = k + moves[event.key]?.(k);
    if (!(to in buttons)) return;
    event.preventDefault();
    buttons[to].focus();
  });
  bar.addEventListener("focusin", event => reach(buttons.indexOf(event.target)));
  reach(0);
}

function builder(box) {
  const data = JSON.parse(box.querySelector("script").textContent);
  const {nets, ...digits} = landscape.read(data);
  const h = nets[0].b.length;
  const units = nets.map(net => landscape.hidden(net, digits));
  const drawing = box.querySelector(".curves svg");
  const says = box.querySelector(":scope > .says");
  const rows = [...box.querySelectorAll("tbody tr")];
  const frames = 7 * data.steps + 1;
  const at = Array.from({length: frames}, (_, f) =>
    LEFT + (RIGHT - LEFT) * f / (frames - 1));
  const line = landscape.walk(nets, digits, frames - 1);
  const sides = [...box.querySelectorAll("fieldset")].map((side, k) => ({
    bar: side.querySelector(".neurons"),
    buttons: [...side.querySelectorAll(".neurons button")],
    slider: side.querySelector("input"),
    told: side.querySelector("legend span"),
    doing: [...side.querySelectorAll("[data-do]")],
    kept: data.kept[k],
    scale: data.scales[k],
  }));

  const part = k => landscape.sums(nets[k], units[k], sides[k].kept);

  const DO = {
    all: () => ({kept: landscape.all(nets[0])}),
    first: () => ({kept: landscape.all(nets[0]).slice(0, h >> 1)}),
    choose: k => landscape.choose(nets[k], units[k], digits.y, h >> 1),
    best: k => ({scale: landscape.bestScale(part(k), nets[k].c, digits.y)}),
  };

  // What can be drawn of the path: nothing, where its halves do not fit.
  function path(kept, scale, top) {
    const over = kept[0].length + kept[1].length - h;
    drawing.querySelectorAll(".line").forEach((drawn, k) => {
      drawn.style.display = over > 0 && k !== 1 ? "none" : "";
    });
    if (over > 0) {
      return `${kept[0].length} + ${kept[1].length} neurons do not fit into `
        + `one layer of ${h}, and there the path has both: drop ${over} more.`;
    }
    const knots = landscape.knots(nets, kept, scale);
    const panel = {
      title: "", unit: "", log: true, scale: data.scale,
      series: [["", [landscape.walk(knots, digits, data.steps)]], ["", [line]]],
      levels: [["", [[top]]]],
    };
    PANELS.curves(panel, drawing, at)(0, 0);
    return `Highest loss on the path: ${short(top)}, the largest of the four, `
      + "exact but for rounding.";
  }

  function show() {
    const kept = sides.map(side => side.kept);
    const scale = sides.map(side => side.scale);
    const {four, top} =
      landscape.supremum(nets, units, digits.y, kept, scale);
    rows.forEach((row, k) => {
      const {loss, right} = four[k];
      row.cells[1].textContent = short(loss);
      row.cells[2].textContent = right;
      row.classList.toggle("top", loss === top);
    });
    sides.forEach((side, k) => {
      const name = "AB"[k];
      side.buttons.forEach((button, i) =>
        button.setAttribute("aria-pressed", side.kept.includes(i)));
      side.told.textContent = `${side.kept.length} of ${h} kept`;
      side.slider.value = side.scale;
      side.slider.setAttribute("aria-valuetext",
        `${side.scale.toFixed(2)}; loss ${short(four[1 + k].loss)}`);
      rows[1 + k].cells[0].textContent =
        `${side.kept.length} of ${name}, times ${side.scale.toFixed(2)}`;
    });
    const [found, proved] = data.straight.map(short);
    says.textContent = `${path(kept, scale, top)} On the straight line `
      + `${found} was found, and it is proved to stay below ${proved}.`;
  }

  // Once a frame at most; what a slider says itself is not announced again.
  let waiting;
  function change(side, what, live = "polite") {
    Object.assign(side, what);
    says.ariaLive = live;
    waiting ??= requestAnimationFrame(() => {
      waiting = undefined;
      show();
    });
  }

  sides.forEach((side, k) => {
    const toggle = i => side.kept.includes(i)
      ? side.kept.filter(j => j !== i)
      : [...side.kept, i].sort((p, q) => p - q);
    side.buttons.forEach((button, i) => button.addEventListener(
      "click", () => change(side, {kept: toggle(i)})));
    side.doing.forEach(button => button.addEventListener(
      "click", () => change(side, DO[button.dataset.do](k))));
    side.slider.addEventListener("input", () =>
      change(side, {scale: side.slider.valueAsNumber}, "off"));
    roving(side.bar, side.buttons);
    [...side.buttons, ...side.doing, side.slider].forEach(control => {
      control.disabled = false;
    });
  });
  show();
}

addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-kind=builder]").forEach(builder);
});
