// Sorting and filtering of tables, and the switch between protocols. Without it every table still reads.
"use strict";

function order(row, column) {
  const text = row.cells[column].dataset.order;
  if (text === undefined) return null;
  const number = Number(text);
  return text.trim() !== "" && !Number.isNaN(number) ? number : text.toLowerCase();
}

function compare(a, b) {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1; // what is missing stays last
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}

function sort(button) {
  const head = button.closest("th");
  const column = head.cellIndex;
  const body = head.closest("table").tBodies[0];
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = Array.from(body.rows, (row) => [order(row, column), row]);
  rows.sort((a, b) => (down && a[0] !== null && b[0] !== null ? compare(b[0], a[0]) : compare(a[0], b[0])));
  body.replaceChildren(...rows.map((each) => each[1]));
}

// The address names what is shown, such as #wild-mini-2 or #wild-mini-2:3:descending, so that it can be passed on.
function remember(view, head) {
  const name = view.closest(".results")?.id;
  const sorted = head ? `:${head.cellIndex}:${head.getAttribute("aria-sort")}` : "";
  if (name) history.replaceState(null, "", `#${name}${sorted}`);
}

function show(set, number) {
  for (const view of document.querySelectorAll(`[data-view="${set.dataset.switch}"]`)) {
    view.hidden = view.dataset.number !== number;
  }
}

function restore() {
  const [name, column, order] = location.hash.slice(1).split(":");
  const table = name ? document.getElementById(name) : null;
  if (!table?.matches(".results")) return;
  const view = table.closest("[data-view]");
  const set = view && document.querySelector(`[data-switch="${view.dataset.view}"]`);
  if (set) {
    set.querySelector(`input[value="${view.dataset.number}"]`).checked = true;
    show(set, view.dataset.number);
  }
  const head = table.querySelectorAll("thead th")[column];
  if (head && column !== undefined) {
    sort(head.querySelector("button"));
    if (order === "descending") sort(head.querySelector("button"));
  }
  table.scrollIntoView();
}

function filter(form) {
  const wanted = {};
  for (const input of form.querySelectorAll("[data-filter]")) {
    wanted[input.dataset.filter] = input.type === "checkbox" ? input.checked : input.value.trim().toLowerCase();
  }
  for (const row of form.parentElement.querySelectorAll("tbody tr")) {
    const shown =
      row.cells[0].textContent.toLowerCase().includes(wanted.text) &&
      (!wanted.kind || row.dataset.kind.toLowerCase() === wanted.kind) &&
      (!wanted.supervision || row.dataset.supervision.toLowerCase() === wanted.supervision) &&
      (wanted.floors !== false || !row.classList.contains("floors"));
    row.hidden = !shown;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("table.sortable thead button");
  if (button) {
    sort(button);
    remember(button, button.closest("th"));
  }
});

document.addEventListener("input", (event) => {
  const form = event.target.closest("form.tools");
  if (form) filter(form);
  const set = event.target.closest("[data-switch]");
  if (set) {
    show(set, event.target.value);
    const view = document.querySelector(`[data-view="${set.dataset.switch}"][data-number="${event.target.value}"]`);
    remember(view.querySelector("table"));
  }
});

restore();

document.addEventListener("submit", (event) => event.preventDefault());
