// Explorers (book/tools/explorer.py). The picture stands on the page, drawn
// at one point of its path; here its slider, and its list if there is one,
// appear and move it. The numbers are those of the JSON in the page: nothing
// is computed, fetched or animated. (What computes is in compute.js.)
const LEVELS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
  + "abcdefghijklmnopqrstuvwxyz-_";
const [LEFT, RIGHT, LOW, HIGH, ROOM] = [42, 332, 174, 8, 120]; // pixels
const level = letter => LEVELS.indexOf(letter) / (LEVELS.length - 1);
const pick = (rows, k) => rows[Math.min(k, rows.length - 1)];

// Each kind of panel: how it goes to a choice and a frame, what it then says.
const PANELS = {
  curves(panel, svg, at) {
    const [low, high] = panel.scale;
    const y = value => {
      const v = panel.log ? Math.log10(Math.max(value, 10 ** low)) : value;
      const share = Math.min(Math.max((v - low) / (high - low), 0), 1);
      return (LOW - share * (LOW - HIGH)).toFixed(1);
    };
    const lines = svg.querySelectorAll(".line");
    const marks = svg.querySelectorAll("circle");
    const here = svg.querySelector(".at");
    const rows = [...panel.series, ...panel.levels].map(([, row]) => row);
    let drawn;
    return (choice, frame) => {
      if (drawn !== choice) {
        lines.forEach((line, k) => {
          const row = pick(rows[k], choice);
          const points = at.map((x, f) => `${x} ${y(pick(row, f))}`);
          line.setAttribute("d", "M" + points.join("L"));
        });
        drawn = choice;
      }
      here.setAttribute("d", `M${at[frame]} ${HIGH}V${LOW}`);
      const unit = panel.unit && " " + panel.unit;
      const told = panel.series.map(([name, row], k) => {
        const value = pick(row, choice)[frame];
        marks[k].setAttribute("cx", at[frame]);
        marks[k].setAttribute("cy", y(value));
        return `${name} ${value}${unit}`;
      });
      if (told.length > 1) return `${panel.title}: ${told.join(", ")}`;
      return panel.title + told[0].slice(panel.series[0][0].length);
    };
  },
  blocks(panel, svg) {
    const cells = svg.querySelectorAll("rect");
    return moving(panel, frame => [...frame].forEach((letter, k) => {
      cells[k].setAttribute("opacity", level(letter).toFixed(2));
    }));
  },
  bars(panel, svg) {
    const stairs = svg.querySelector(".stairs");
    return moving(panel, frame => {
      const step = (RIGHT - LEFT) / frame.length;
      const line = [...frame].map((letter, k) =>
        `V${(ROOM - (ROOM - HIGH) * level(letter)).toFixed(1)}`
        + `H${(LEFT + step * (k + 1)).toFixed(1)}`);
      stairs.setAttribute("d", `M${LEFT} ${ROOM}${line.join("")}V${ROOM}`);
    });
  },
};

// A panel of numbered frames: draw(frame) where the number changes.
function moving(panel, draw) {
  let shown;
  return (choice, frame) => {
    const number = pick(panel.index, choice)[frame];
    if (number !== shown) draw(panel.frames[number]);
    shown = number;
  };
}

function explore(box) {
  const data = JSON.parse(box.querySelector("script").textContent);
  const drawings = box.querySelectorAll(".panels svg");
  const slider = box.querySelector("input");
  const list = box.querySelector("select");
  const says = box.querySelector(":scope > .says");
  const panels = data.panels.map(
    (panel, k) => PANELS[panel.kind](panel, drawings[k], data.at));

  function show() {
    const [choice, frame] = [list?.selectedIndex ?? 0, slider.valueAsNumber];
    const told = panels.map(panel => panel(choice, frame)).filter(Boolean);
    const place = [data.words[frame], ...told].join("; ");
    slider.setAttribute("aria-valuetext", place);
    says.textContent = [data.choices[choice], place].filter(Boolean).join(" ");
  }

  // the slider speaks for itself; what the list changes is announced
  slider.addEventListener("input", () => {
    says.ariaLive = "off";
    show();
  });
  list?.addEventListener("change", () => {
    says.ariaLive = "polite";
    show();
  });

  // a curve can be dragged along, too
  data.panels.forEach((panel, k) => {
    if (panel.kind !== "curves") return;
    const drag = event => {
      if (!event.buttons) return;
      const edge = drawings[k].getBoundingClientRect();
      const x = (event.clientX - edge.left) / edge.width
        * drawings[k].viewBox.baseVal.width;
      const far = data.at.map(place => Math.abs(place - x));
      slider.value = far.indexOf(Math.min(...far));
      says.ariaLive = "off";
      show();
    };
    drawings[k].addEventListener("pointerdown", drag);
    drawings[k].addEventListener("pointermove", drag);
  });

  box.querySelector(".controls").hidden = false;
  show();
}

addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".explorer:not([data-kind])").forEach(explore);
});
