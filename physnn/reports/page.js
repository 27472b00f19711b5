"use strict";
// Tables: a heading sorts its column, numbers by the number kept beside the cell; empty cells stay last.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => {
    if (body.rows.length < 2) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent || "\u00a0";
    if (!head.textContent) button.setAttribute("aria-label", "sort by this column");
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column] || document.createElement("td");
      const filled = (cell) => cell.textContent.trim() !== "" && cell.textContent.trim() !== "-";
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (filled(x) !== filled(y)) return filled(x) ? -1 : 1;
        const numbers = "number" in x.dataset && "number" in y.dataset;
        if (!numbers && "number" in x.dataset !== "number" in y.dataset) return "number" in x.dataset ? -1 : 1;
        const order = numbers ? Number(x.dataset.number) - Number(y.dataset.number)
          : x.textContent.localeCompare(y.textContent, "en", { numeric: true });
        return down ? -order : order;
      };
      body.append(...Array.from(body.rows).sort(compare));
    });
  });
}
// Figures: buttons, keys, a double click, Ctrl and the wheel, or two fingers zoom; dragging moves; 0 resets.
for (const frame of document.querySelectorAll(".frame")) {
  const svg = frame.querySelector("svg");
  const whole = svg.getAttribute("viewBox").split(/[\s,]+/).map(Number);
  const fingers = new Map();
  let view = whole.slice();
  const show = () => {
    svg.setAttribute("viewBox", view.map((v) => +v.toFixed(4)).join(" "));
    frame.classList.toggle("near", view[2] < whole[2] * 0.999);
  };
  const within = () => {
    for (const k of [0, 1]) view[k] = Math.min(Math.max(view[k], whole[k]), whole[k] + whole[k + 2] - view[k + 2]);
  };
  const point = (x, y) => {
    const box = svg.getBoundingClientRect();
    return [(x - box.left) / box.width, (y - box.top) / box.height];
  };
  const zoom = (factor, at = [0.5, 0.5]) => {
    const width = Math.min(whole[2], Math.max(whole[2] / 64, view[2] / factor));
    const height = width * whole[3] / whole[2];
    view = [view[0] + at[0] * (view[2] - width), view[1] + at[1] * (view[3] - height), width, height];
    within();
    show();
  };
  const move = (dx, dy) => {
    view[0] -= dx * view[2];
    view[1] -= dy * view[3];
    within();
    show();
  };
  const reset = () => {
    view = whole.slice();
    show();
  };
  const tools = document.createElement("div");
  tools.className = "tools";
  for (const [sign, label, act] of [["+", "zoom in", () => zoom(1.6)], ["\u2212", "zoom out", () => zoom(1 / 1.6)],
    ["reset", "show the whole figure", reset]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = sign;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    tools.append(button);
  }
  frame.before(tools);
  frame.tabIndex = 0;
  frame.addEventListener("keydown", (event) => {
    const keys = { "+": () => zoom(1.6), "=": () => zoom(1.6), "-": () => zoom(1 / 1.6), "0": reset,
      ArrowLeft: () => move(0.1, 0), ArrowRight: () => move(-0.1, 0), ArrowUp: () => move(0, 0.1),
      ArrowDown: () => move(0, -0.1) };
    const arrows = event.key.startsWith("Arrow") && !frame.classList.contains("near");
    if (!(event.key in keys) || arrows || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  frame.addEventListener("dblclick", (event) => zoom(2, point(event.clientX, event.clientY)));
  frame.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // the wheel alone scrolls the page
    event.preventDefault();
    zoom(Math.exp(-Math.sign(event.deltaY) * 0.25), point(event.clientX, event.clientY));
  }, { passive: false });
  frame.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (frame.classList.contains("near") || fingers.size > 1) frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    const box = svg.getBoundingClientRect();
    if (fingers.size === 2) {
      const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]);
      if (apart(before) > 0) zoom(apart(now) / apart(before), point((now[0] + other[0]) / 2, (now[1] + other[1]) / 2));
    } else if (frame.classList.contains("near")) {
      move((now[0] - before[0]) / box.width, (now[1] - before[1]) / box.height);
    }
    fingers.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
    frame.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
}
