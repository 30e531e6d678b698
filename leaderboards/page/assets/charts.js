"use strict";
// The charts, drawn by Vega in the page's colours: forgetting against retention, trials of a search, a run's history.
(() => {
  const SHAPES = { "ZS": "circle", "semi-ZS": "triangle-up", "not-ZS": "square", "reference": "cross" };
  const COLOURS = { "ZS": "zs", "semi-ZS": "semi", "not-ZS": "not", "reference": "ref" };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const share = (value) => (value === null || value === undefined ? "-" : value.toFixed(3));

  function config() {
    const [ink, soft, line] = ["ink", "soft", "line"].map(colour);
    return {
      background: null, font: getComputedStyle(document.body).fontFamily,
      axis: { domainColor: soft, tickColor: soft, gridColor: line, gridOpacity: 0.6, labelColor: soft, titleColor: ink, labelFontSize: 12, titleFontSize: 12.5, titleFontWeight: 600, titlePadding: 8 },
    };
  }

  const axes = (x, y) => [
    { orient: "bottom", scale: "x", title: x, grid: true, tickCount: 6, format: "~g" },
    { orient: "left", scale: "y", title: y, grid: true, tickCount: 6, format: "~g" },
  ];

  // From the lowest mark in the frame up, or all from 0 to 1.
  function domain(points, whole) {
    if (whole) return [-0.02, 1.02];
    const least = Math.min(1, ...points.map((point) => point.retention));
    return [Math.max(-0.02, Math.floor((least - 0.015) * 20) / 20), 1.01];
  }

  function front(data, width, choice) {
    const points = data.points.map((point) => ({ ...point, colour: colour(COLOURS[point.access] ?? "other"), shape: SHAPES[point.access] ?? "diamond", area: point.access === "semi-ZS" ? 125 : 95 }));
    const inside = points.filter((point) => choice.whole || !point.outside);
    const y = domain(inside, choice.whole), x = [-0.03, 1.04];
    const best = inside.filter((point) => point.front && !("line" in point)).sort((a, b) => a.forgetting - b.forgetting);
    const height = width > 640 ? 430 : Math.round(Math.max(width * 0.9, 300)); // beside the table, or above it
    const rule = (from, low, high, across) => ({
      type: "rule", name: `bars-${across}`, interactive: false, aria: false, clip: true, from: { data: from },
      encode: { enter: {
        x: { scale: "x", field: across === "x" ? low : "forgetting" }, x2: { scale: "x", field: across === "x" ? high : "forgetting" },
        y: { scale: "y", field: across === "y" ? low : "retention" }, y2: { scale: "y", field: across === "y" ? high : "retention" },
        stroke: { field: "colour" }, strokeWidth: { value: 1.5 }, opacity: { value: 0.45 },
      } },
    });
    const lines = [...new Set(inside.filter((point) => "line" in point).map((point) => point.line))];
    return {
      $schema: "https://vega.github.io/schema/vega/v5.json", width, height, padding: { top: 4, bottom: 4, left: 2, right: 4 }, autosize: { type: "fit", contains: "padding" },
      description: "Forgetting against retention, a mark for each method", config: config(),
      data: [{ name: "points", values: inside }, { name: "best", values: best },
        ...lines.map((name, place) => ({ name: `line-${place}`, values: inside.filter((point) => point.line === name).sort((a, b) => a.order - b.order) }))],
      scales: [
        { name: "x", type: "linear", range: "width", domain: x, zero: false, nice: false },
        { name: "y", type: "linear", range: "height", domain: y, zero: false, nice: false },
      ],
      axes: width < 480 ? axes("Forgetting", "Retention") : axes("Forgetting: what is gone of the target", "Retention: what is kept of everything else"),
      marks: [
        { type: "line", interactive: false, aria: false, from: { data: "best" }, encode: { enter: {
          x: { scale: "x", field: "forgetting" }, y: { scale: "y", field: "retention" }, stroke: { value: colour("soft") }, strokeDash: { value: [4, 4] }, strokeWidth: { value: 1.2 } } } },
        ...lines.map((_, place) => ({ type: "line", interactive: false, aria: false, from: { data: `line-${place}` }, encode: { enter: {
          x: { scale: "x", field: "forgetting" }, y: { scale: "y", field: "retention" }, stroke: { field: "colour" }, strokeWidth: { value: 1.3 }, opacity: { value: 0.7 } } } })),
        ...(choice.bars ? [rule("points", "f_low", "f_high", "x"), rule("points", "r_low", "r_high", "y")] : []),
        { type: "symbol", name: "dots", clip: false, from: { data: "points" }, encode: {
          enter: {
            x: { scale: "x", field: "forgetting" }, y: { scale: "y", field: "retention" }, shape: { field: "shape" }, size: { field: "area" },
            angle: { signal: "datum.access === 'reference' ? 45 : 0" },
            fill: { field: "colour" }, stroke: { value: colour("paper") }, strokeWidth: { value: 1.2 }, cursor: { value: "pointer" },
            description: { signal: "datum.name + ': forgetting ' + format(datum.forgetting, '.3f') + ', retention ' + format(datum.retention, '.3f')" },
          },
          update: { size: { field: "area" } }, hover: { size: { value: 200 } } } },
        { type: "text", interactive: false, aria: false, from: { data: "dots" }, encode: { enter: {
          text: { signal: "length(datum.datum.name) > 24 ? slice(datum.datum.name, 0, 22) + '…' : datum.datum.name" },
          fill: { signal: `datum.datum.access === 'reference' ? '${colour("soft")}' : '${colour("ink")}'` }, fontSize: { value: 12 } } },
        transform: [{ type: "label", size: { signal: "[width, height]" }, anchor: ["right", "left", "top", "bottom", "top-right", "bottom-right", "top-left", "bottom-left"], offset: [7, 7, 6, 6, 5, 5, 5, 5], padding: 2 }] },
      ],
    };
  }

  function trials(data, width) {
    const points = data.points;
    const low = Math.max(0, Math.floor((Math.min(...points.map((point) => point.retention)) - 0.03) * 10) / 10);
    return {
      width, height: 230, padding: 0, autosize: { type: "fit", contains: "padding" }, config: config(),
      description: "Settings that tuning tried: forgetting against retention",
      data: [{ name: "points", values: points }],
      scales: [{ name: "x", range: "width", domain: [-0.02, 1.03], zero: false }, { name: "y", range: "height", domain: [low, 1.01], zero: false }],
      axes: axes("Forgetting", "Retention"),
      marks: [{ type: "symbol", name: "dots", from: { data: "points" }, encode: { enter: {
        x: { scale: "x", field: "forgetting" }, y: { scale: "y", field: "retention" }, size: { signal: "datum.chosen ? 170 : 70" },
        shape: { signal: "datum.chosen ? 'diamond' : 'circle'" }, fill: { signal: `datum.chosen ? '${colour("semi")}' : '${colour("zs")}'` }, stroke: { value: colour("paper") },
        description: { signal: "(datum.chosen ? 'chosen: ' : '') + 'forgetting ' + format(datum.forgetting, '.3f') + ', retention ' + format(datum.retention, '.3f')" } } } }],
    };
  }

  function history(data, width) {
    const series = [...new Set(data.points.map((point) => point.series))];
    const paint = ["zs", "semi", "not", "other", "ref"].map(colour);
    const each = Math.max(70, Math.min(150, 230 / series.length));
    return {
      width, padding: 0, autosize: { type: "fit-x", contains: "padding" }, config: config(), description: "What the method reported at each step",
      layout: { columns: 1, padding: 14 },
      data: series.map((name, place) => ({ name: `s${place}`, values: data.points.filter((point) => point.series === name) })),
      scales: [{ name: "x", range: [0, { signal: "width" }], domain: { fields: series.map((_, place) => ({ data: `s${place}`, field: "step" })) }, zero: false }],
      marks: series.map((name, place) => ({
        type: "group", encode: { enter: { width: { signal: "width" }, height: { value: each } } },
        title: { text: name, anchor: "start", color: colour("ink"), fontSize: 12, offset: 4 },
        scales: [{ name: "y", range: [each, 0], domain: { data: `s${place}`, field: "value" }, zero: false, nice: true }],
        axes: [{ orient: "left", scale: "y", grid: true, tickCount: 3 }, ...(place === series.length - 1 ? [{ orient: "bottom", scale: "x", title: "step", tickCount: 6 }] : [])],
        marks: [{ type: "line", aria: false, from: { data: `s${place}` }, encode: { enter: { x: { scale: "x", field: "step" }, y: { scale: "y", field: "value" }, stroke: { value: paint[place % paint.length] }, strokeWidth: { value: 1.8 } } } }],
      })),
    };
  }

  const SPECS = { front, trials, history };

  function said(point) {
    if (!point.name) return `${point.chosen ? "Chosen setting\n" : ""}forgetting ${share(point.forgetting)}\nretention ${share(point.retention)}`;
    const lines = [point.name + (point.rank ? `, rank ${point.rank}` : ""), point.access === "reference" ? "reference" : `access ${point.access}`,
      `forgetting ${share(point.forgetting)} (${share(point.f_low)} to ${share(point.f_high)})`,
      `retention ${share(point.retention)} (${share(point.r_low)} to ${share(point.r_high)})`, `score ${share(point.score)}`];
    if (point.recovery !== null && point.recovery !== undefined) lines.push(`recovered ${share(point.recovery)}, by ${point.attack}`);
    else if (point.irreversibility !== null && point.irreversibility !== undefined) lines.push(`irreversibility ${share(point.irreversibility)}`);
    return lines.join("\n");
  }

  async function draw(chart) {
    const data = JSON.parse(chart.querySelector("script").textContent);
    const width = Math.max(240, chart.clientWidth);
    chart.drawn = width;
    chart.view?.finalize();
    const holder = chart.querySelector(".drawing") ?? chart.appendChild(document.createElement("div"));
    holder.className = "drawing";
    const figure = chart.closest("figure"), words = figure.querySelector(".outside");
    const choice = Object.fromEntries(["bars", "whole"].map((name) => [name, Boolean(figure.querySelector(`[data-chart="${name}"]`)?.checked)]));
    if (words) words.hidden = choice.whole;
    const view = new vega.View(vega.parse(SPECS[data.kind](data, width, choice)), { renderer: "svg", container: holder, hover: true, logLevel: vega.Error, tooltip: () => {} });
    chart.view = view;
    const open = (point) => { if (point.page) location.href = chart.dataset.link.replace("@", point.page); };
    view.addEventListener("mouseover", (event, item) => { if (item?.mark?.name === "dots") tip.show(said(item.datum), event.clientX, event.clientY); });
    view.addEventListener("mouseout", () => tip.hide());
    view.addEventListener("click", (_event, item) => { if (item?.mark?.name === "dots") open(item.datum); });
    await view.runAsync();
    if (chart.view === view) reachable(chart, view, open);
  }

  // One stop of the tab key for all dots; arrows go from one to the next, Enter opens.
  function reachable(chart, view, open) {
    const dots = [...chart.querySelectorAll(".dots > path")];
    const points = dots.map((dot) => dot.__data__?.datum);
    dots.forEach((dot, place) => {
      dot.setAttribute("tabindex", place ? "-1" : "0");
      const show = () => { const box = dot.getBoundingClientRect(); tip.show(said(points[place]), box.left + box.width / 2, box.top); };
      dot.addEventListener("focus", show);
      dot.addEventListener("blur", () => tip.hide());
      dot.addEventListener("keydown", (event) => {
        if (event.key === "Enter") open(points[place]);
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        dots[(place + step + dots.length) % dots.length].focus();
      });
    });
  }

  window.drawCharts = (within) => {
    for (const chart of within.querySelectorAll(".chart")) if (chart.offsetParent && chart.drawn !== Math.max(240, chart.clientWidth)) draw(chart);
  };
  const again = () => { for (const chart of document.querySelectorAll(".chart")) { chart.drawn = 0; } window.drawCharts(document); };
  dark.addEventListener("change", again);
  let waiting;
  window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => window.drawCharts(document), 120); });
  document.addEventListener("change", (event) => {
    if (!event.target.dataset?.chart) return;
    const chart = event.target.closest("figure").querySelector(".chart");
    draw(chart);
  });
  if (document.getElementById("leaderboard")) go(true);
  else arrange(document);
})();
