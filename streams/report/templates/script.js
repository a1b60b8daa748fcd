"use strict";
(() => {
  const all = (query, within = document) => [...within.querySelectorAll(query)];
  const tip = document.getElementById("tip");
  const number = (value) => Number(value.toPrecision(3)).toString();
  const moment = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ") + " UTC";
  const percent = (part) => (part * 100).toPrecision(2).replace(/^(\d+)\.0$/, "$1") + " %";

  // What can be pointed at in a plot: places across (percent), and the text of each.
  const readers = {
    course: (told) => {
      const [low, high] = told.span;
      const at = [...new Set(told.lines.flatMap((line) => line.at))].sort((a, b) => a - b);
      const nearest = (line, ms) => {
        let k = line.at.findIndex((one) => one >= ms);
        return k < 0 ? line.at.length - 1 : k;
      };
      return at.map((ms) => ({
        x: ((ms - low) / (high - low)) * 100,
        said: () => [moment(ms), ...told.lines.filter((line) => line.at.length).map((line) => {
          const k = nearest(line, ms);
          return `${line.name}: ${number(line.is[k])} of ${number(line.of[k])}`;
        })].join("\n"),
      }));
    },
    stack: (told) => told.x.map((x, k) => ({
      x,
      said: () => [k ? `until ${moment(told.at[k])}, ${told.calls[k]} calls` : "baseline",
        ...told.lines.filter((line) => line.share[k] !== undefined).map((line) => `${percent(line.share[k])} ${line.name}`)].join("\n"),
    })),
    points: (told) => told.points.map((one) => ({ ...one, said: () => one.said })),
  };

  for (const figure of all("figure[data-tips]")) {
    const plot = figure.querySelector(".plot"), cursor = figure.querySelector(".cursor");
    const told = JSON.parse(figure.dataset.tips);
    const points = readers[figure.dataset.plot](told);
    let here = -1;
    if (!points.length) continue;

    const show = (k, x, y) => {
      here = k;
      const box = plot.getBoundingClientRect(), point = points[k];
      tip.textContent = point.said();
      tip.hidden = false;
      if (cursor.tagName === "circle") {
        cursor.setAttribute("cx", (point.x / 100) * told.high);
        cursor.setAttribute("cy", point.y);
      } else {
        cursor.setAttribute("x1", point.x + "%");
        cursor.setAttribute("x2", point.x + "%");
      }
      cursor.classList.add("on");
      const left = x ?? box.left + (box.width * point.x) / 100;
      const top = y ?? box.top + (point.y === undefined ? 20 : (box.height * point.y) / told.high);
      const size = tip.getBoundingClientRect();
      const beside = left + 14 + size.width > innerWidth ? left - 14 - size.width : left + 14;
      tip.style.left = Math.max(4, beside) + "px";
      tip.style.top = Math.max(4, Math.min(top + 12, innerHeight - size.height - 4)) + "px";
    };
    const hide = () => {
      here = -1;
      tip.hidden = true;
      cursor.classList.remove("on");
    };
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * 100;
      const y = ((event.clientY - box.top) / box.height) * (told.high ?? 1);
      const away = (one) => told.high ? Math.hypot((one.x / 100) * told.high - (x / 100) * told.high, one.y - y) : Math.abs(one.x - x);
      let best = 0;
      points.forEach((one, k) => { if (away(one) < away(points[best])) best = k; });
      show(best, event.clientX, event.clientY);
    });
    plot.addEventListener("pointerleave", hide);
    plot.addEventListener("blur", hide);
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[event.key];
      if (event.key === "Escape") hide();
      else if (event.key === "Home") show(0);
      else if (event.key === "End") show(points.length - 1);
      else if (step !== undefined && event.target === plot) show(Math.max(0, Math.min(points.length - 1, here < 0 ? (step > 0 ? 0 : points.length - 1) : here + step)));
      else return;
      event.preventDefault();
    });
  }

  const form = document.getElementById("filter"), choice = document.getElementById("by-segment");
  const boxes = all("#filter input[name=kind]"), showing = document.getElementById("showing");
  const filter = () => {
    const kinds = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    for (const one of all("[data-segment]")) one.hidden = choice.value !== "" && one.dataset.segment !== choice.value;
    for (const one of all("[data-kind]")) one.hidden = !kinds.has(one.dataset.kind);
    const segments = all("section[data-segment]");
    const counted = (shown, all, name) => `${shown} of ${all} ${name}${all === 1 ? "" : "s"}`;
    showing.textContent = `${counted(segments.filter((one) => !one.hidden).length, segments.length, "segment")}, ${counted(kinds.size, boxes.length, "kind")} shown`;
  };
  if (form) {  // a picture alone has none
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = choice.options.length < 3 && boxes.length < 2; // nothing to choose
    filter();
  }

  // A link leads to what it names, be it folded up or filtered out.
  const arrive = (hash) => {
    const target = hash && document.getElementById(decodeURIComponent(hash.slice(1)));
    if (!target) return;
    if (target.closest("[hidden]")) {
      choice.value = "";
      for (const box of boxes) box.checked = true;
      filter();
    }
    for (const one of all("details", target)) { one.open = true; break; }
    target.scrollIntoView();
  };
  addEventListener("hashchange", () => arrive(location.hash));
  arrive(location.hash);

  // In a notebook's frame links begin at the notebook's address, and would load it in here.
  if (location.href === "about:srcdoc") addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link) return;
    event.preventDefault();
    arrive(link.getAttribute("href"));
  });
})();
