"use strict";
// What makes the page move: which part is shown, tabs, tooltips, the tables, downloads. Names and numbers reach the
// document as text only, never as markup.
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Tooltips: of anything with data-tip, on hover and focus; charts.js shows its own.
const tip = {
  node: document.getElementById("tip"),
  show(text, x, y) {
    this.node.textContent = text;
    this.node.hidden = false;
    const box = this.node.getBoundingClientRect();
    const left = Math.min(Math.max(6, x - box.width / 2), document.documentElement.clientWidth - box.width - 6);
    const above = y - box.height - 12;
    this.node.style.left = `${left}px`;
    this.node.style.top = `${above > 4 ? above : y + 18}px`;
  },
  over(element) {
    const box = element.getBoundingClientRect();
    this.show(element.dataset.tip, box.left + box.width / 2, box.top);
    element.setAttribute("aria-describedby", "tip");
  },
  hide() { this.node.hidden = true; },
};
for (const [enter, leave] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
  document.addEventListener(enter, (event) => {
    const element = event.target.closest?.("[data-tip]");
    if (element) tip.over(element);
  });
  document.addEventListener(leave, (event) => { if (event.target.closest?.("[data-tip]")) tip.hide(); });
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hide(); });
document.addEventListener("scroll", () => tip.hide(), { passive: true, capture: true });

// Which part of the one file is shown: that of the address, else the leaderboard.
function go(first) {
  const wanted = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const view = wanted?.closest(".view") ?? document.getElementById("leaderboard");
  if (!view) return;
  for (const each of all(".view")) each.classList.toggle("on", each === view);
  document.title = view.dataset.title;
  tip.hide();
  if (wanted && wanted !== view) wanted.scrollIntoView();
  else if (!first) {
    window.scrollTo(0, 0);
    document.getElementById("main").focus({ preventScroll: true });
  }
  arrange(view);
}
window.addEventListener("hashchange", () => go(false));

// Tables and charts are made when they are first seen: a page of many methods opens at once.
function arrange(within) {
  for (const table of all("table.ranked, table.sortable", within)) if (table.offsetParent && !table.arranged) sortable(table);
  window.drawCharts?.(within);
}

// Numbers by their value, whatever stands behind them (*), and what has none last, whichever way.
const worth = (text) => { const found = parseFloat(text); return Number.isNaN(found) ? null : found; };
const byValue = (turn) => (one, other) => {
  const [first, second] = [worth(one), worth(other)];
  if (first === null || second === null) return (first === null) - (second === null);
  return turn * (first - second);
};

function sortable(table) {
  table.arranged = true;
  Object.assign(jQuery.fn.dataTable.ext.type.order, { "value-asc": byValue(1), "value-desc": byValue(-1) });
  const ranked = table.classList.contains("ranked");
  const heads = all("thead th", table);
  const made = jQuery(table).DataTable({
    paging: false, info: false, order: [], autoWidth: false, orderMulti: true,
    layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
    columns: heads.map((head) => ({ visible: head.dataset.shown !== "no", type: head.classList.contains("text") || head.classList.contains("method") ? "string" : "value", orderSequence: ["asc", "desc", ""] })),
  });
  if (ranked) control(table, made);
}

function control(table, made) {
  const number = table.id.split("-")[1];
  const tools = document.querySelector(`.tools[data-board="${number}"]`);
  const fits = (row) => {
    const access = all("[name=access]", tools).filter((box) => box.checked).map((box) => box.value);
    const standing = tools.querySelector("[name=standing]")?.value;
    return access.includes(row.dataset.access) && (!standing || row.dataset.standing === standing)
      && (!tools.querySelector("[name=forgot]").checked || row.dataset.forgot === "yes");
  };
  made.search.fixed("filters", (_text, _data, index) => fits(made.row(index).node()));
  const redraw = () => {
    made.search(tools.querySelector("[type=search]").value).draw();
    document.querySelector(`[data-empty="${number}"]`).hidden = made.rows({ search: "applied" }).count() > 0;
  };
  tools.addEventListener("input", (event) => {
    if (event.target.name === "column") made.column(Number(event.target.value)).visible(event.target.checked);
    else redraw();
  });
  tools.addEventListener("click", (event) => {
    const kind = event.target.dataset?.get;
    if (kind) save(`leaderboard.${kind === "csv" ? "csv" : "tex"}`, kind === "csv" ? csv(made) : latex(made, table.dataset.title));
  });
}
document.addEventListener("click", (event) => {
  for (const menu of all(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = event.target.closest?.(".menu[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
});

// Downloads: the columns that are shown, the rows that fit the filters, in the order in which they stand.
const textOf = (cell) => {
  const copy = cell.cloneNode(true);
  for (const part of all(".badge, .unseen, .way, .track, .dt-column-order", copy)) part.remove();
  return copy.textContent.trim().replace(/\s+/g, " ");
};
function shownCells(made) {
  const columns = made.columns(":visible").indexes().toArray();
  const rows = made.rows({ search: "applied", order: "applied" }).nodes().toArray();
  const head = columns.map((column) => textOf(made.column(column).header()));
  const rest = all("tfoot tr", made.table().node());
  const body = [...rows, ...rest].map((row) => [...row.children].map(textOf));
  return { head, body };
}
function csv(made) {
  const { head, body } = shownCells(made);
  const field = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [head, ...body].map((line) => line.map(field).join(",")).join("\n") + "\n";
}
const LATEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}" };
const escaped = (text) => text.replace(/[\\~^<>]|[&%$#_{}]/g, (letter) => LATEX[letter] ?? `\\${letter}`);
function latex(made, title) {
  const { head, body } = shownCells(made);
  const line = (cells) => `${cells.map(escaped).join(" & ")} \\\\`;
  const kinds = head.map((name) => (["Method", "Note", "Front"].includes(name) ? "l" : "r")).join("");
  return ["% needs \\usepackage{booktabs}", "\\begin{table}", `\\caption{${escaped(title)}}`, `\\begin{tabular}{${kinds}}`, "\\toprule",
    line(head), "\\midrule", ...body.map(line), "\\bottomrule", "\\end{tabular}", "\\end{table}", ""].join("\n");
}
function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

// Tabs: arrows move, and what belongs to the board elsewhere on the page goes along.
function choose(tab) {
  for (const each of all("[role=tab]")) {
    const on = each === tab;
    each.setAttribute("aria-selected", on);
    each.tabIndex = on ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).classList.toggle("on", on);
  }
  const number = tab.id.split("-")[1];
  for (const part of all(".of-board")) part.classList.toggle("on", part.dataset.board === number);
  arrange(document.getElementById("leaderboard"));
}
for (const tab of all("[role=tab]")) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const tabs = all("[role=tab]");
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    next.focus();
    choose(next);
  });
}

// Every run of a method: made when it is unfolded.
for (const part of all("details.cells")) {
  part.addEventListener("toggle", () => {
    if (!part.open || part.querySelector("table")) return;
    const [head, ...lines] = JSON.parse(part.querySelector("script").textContent);
    const wide = part.appendChild(document.createElement("div"));
    wide.className = "wide";
    wide.tabIndex = 0;
    const table = wide.appendChild(document.createElement("table"));
    table.className = "sortable";
    const fill = (row, cells, tag) => cells.forEach((text, place) => {
      const cell = row.appendChild(document.createElement(tag));
      cell.textContent = text;
      if (place > 3) cell.className = "number";
      else if (tag === "th") cell.className = "text";
    });
    fill(table.createTHead().insertRow(), head, "th");
    const body = table.createTBody();
    for (const line of lines) fill(body.insertRow(), line, "td");
    arrange(part);
  });
}
window.addEventListener("beforeprint", () => { for (const part of all(".menu")) part.open = false; });
