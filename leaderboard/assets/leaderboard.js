// Theme, tables that sort and filter, their state in the address, their download.
// The pages also work without scripts.
"use strict";

// The part of a page's address that says what is sorted, filtered and chosen on it.
const state = {
  read: () => new URLSearchParams(location.search),
  get: (key) => state.read().get(key) ?? "",
  set(key, value) {
    const all = state.read();
    if (value) all.set(key, value);
    else all.delete(key);
    const query = all.toString();
    history.replaceState(null, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
  },
};

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

const save = (name, text, type) => {
  const address = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
};

(() => {
  const root = document.documentElement;
  const remembered = {
    get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
    set: (theme) => { try { localStorage.setItem("theme", theme); } catch { /* private mode */ } },
  };
  const system = () => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const chosen = remembered.get();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  function themeButton() {
    const button = document.getElementById("theme");
    const current = () => root.dataset.theme || system();
    const label = () => {
      const other = current() === "dark" ? "Light" : "Dark";
      button.textContent = other;
      button.setAttribute("aria-label", `${other} theme`);
    };
    button.hidden = false;
    label();
    button.addEventListener("click", () => {
      root.dataset.theme = current() === "dark" ? "light" : "dark";
      remembered.set(root.dataset.theme);
      label();
    });
  }

  // -- tables ------------------------------------------------------------------------------------

  const plain = (node) => {
    const copy = node.cloneNode(true);
    copy.querySelectorAll("small, .tip").forEach((part) => part.remove());
    return copy.textContent.replace(/\s+/g, " ").trim();
  };
  const keyOf = (header) => plain(header).toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  const isNumber = (cell) => cell.classList.contains("number");

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    if ("value" in cell.dataset) return cell.dataset.value;
    return isNumber(cell) ? "" : cell.textContent.trim();
  };

  // Sorts as numbers if the whole column is numeric; missing values come last in both directions.
  function sortBy(table, column, direction) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [row, valueOf(row, column)]);
    const numeric = rows.every(([, value]) => value === "" || !Number.isNaN(Number(value)));
    rows.sort(([, a], [, b]) => {
      if (a === "" || b === "") return (a === "") - (b === "");
      return direction * (numeric ? a - b : a.localeCompare(b, "en", { numeric: true }));
    });
    body.append(...rows.map(([row]) => row));
  }

  function sortable(table, changed) {
    const headers = [...table.tHead.rows[0].cells];
    const sort = (header, descending) => {
      headers.forEach((other) => other.setAttribute("aria-sort", "none"));
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sortBy(table, headers.indexOf(header), descending ? -1 : 1);
      changed();
    };
    headers.forEach((header) => {
      const button = make("button", { type: "button" }, ...header.childNodes);
      header.append(button);
      header.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const sorted = header.getAttribute("aria-sort");
        // The first click shows the best first; text begins at its beginning.
        const descending = sorted === "none" ? header.dataset.best === "high" : sorted === "ascending";
        sort(header, descending);
        state.set(`sort.${table.id}`, (descending ? "-" : "") + keyOf(header));
      });
    });
    const asked = () => {
      const wanted = state.get(`sort.${table.id}`);
      const header = headers.find((each) => keyOf(each) === wanted.replace(/^-/, ""));
      if (wanted && header) sort(header, wanted.startsWith("-"));
      else changed();
    };
    asked();
    table.addEventListener("rows-changed", asked);
  }

  // Shows the rows that hold all words; a long table shows only its first rows until it is asked.
  // The rows of a table without any are put there later, and may change.
  function filterable(table, tools) {
    const rows = () => [...table.tBodies[0].rows];
    const text = (row) =>
      [...row.querySelectorAll(".name, .searched")].map((cell) => cell.textContent.toLowerCase()).join(" ");
    const limit = Number(table.dataset.limit || Infinity);
    const total = rows().length;
    const input = make("input", { type: "search", placeholder: "Filter", "aria-label": `Filter ${tools.dataset.label}` });
    const count = make("span", { class: "count", "aria-live": "polite" });
    const more = make("button", { type: "button", class: "more" }, `Show all ${total}`);
    input.value = state.get(`filter.${table.id}`);
    let all = Boolean(state.get(`all.${table.id}`));
    const show = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows().forEach((row) => {
        const fits = words.every((word) => text(row).includes(word));
        row.classList.toggle("out", !fits);
        shown += fits;
        row.hidden = !fits || (!all && !words.length && shown > limit);
      });
      count.textContent = words.length ? `${shown} of ${rows().length}` : "";
      more.hidden = all || words.length > 0 || total <= limit;
    };
    if (total >= 5 || total === 0) {
      tools.prepend(input, count);
      input.addEventListener("input", () => {
        state.set(`filter.${table.id}`, input.value);
        show();
      });
    }
    if (total > limit) {
      more.addEventListener("click", () => {
        all = true;
        state.set(`all.${table.id}`, "1");
        show();
      });
      table.parentElement.after(more);
      addEventListener("beforeprint", () => {
        rows().forEach((row) => { row.hidden = row.classList.contains("out"); });
      });
      addEventListener("afterprint", show);
    }
    show();
    return show;
  }

  // -- download: the rows that the filter leaves, in the order shown --------------------------------

  // A spreadsheet must read no text as a formula, whatever it skips before the sign.
  const harmless = (text) => (/^[\s\p{Cf}|]*[=+\-@]/u.test(text.normalize("NFKC")) ? `'${text}` : text);

  function contents(table) {
    const headers = [...table.tHead.rows[0].cells];
    const columns = [];
    const rows = [...table.tBodies[0].rows].filter((row) => !row.classList.contains("out"));
    headers.forEach((header, index) => {
      const name = header.dataset.name || plain(header) || `column ${index + 1}`;
      const cells = rows.map((row) => row.cells[index]);
      const ends = cells.some((cell) => cell && "low" in cell.dataset);
      columns.push({ name, read: (cell) => cell.dataset.value ?? cell.textContent, index });
      if (ends) {
        for (const end of ["low", "high"]) {
          columns.push({ name: `${name} ${end}`, read: (cell) => cell.dataset[end] ?? "", index, extra: true });
        }
      }
    });
    const value = (cell, column) => {
      if (!cell) return "";
      const text = column.read(cell).replace(/\s+/g, " ").trim();
      if (text === "–" || text === "") return "";
      const number = Number(text);
      return ("value" in cell.dataset || column.extra) && Number.isFinite(number) ? number : text;
    };
    return { columns, rows, table: rows.map((row) => columns.map((column) => value(row.cells[column.index], column))) };
  }

  const csvCell = (value) => {
    if (typeof value === "number") return String(value);
    const text = harmless(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const special = {
    "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "&": "\\&", "%": "\\%",
    "$": "\\$", "#": "\\#", "_": "\\_", "{": "\\{", "}": "\\}", "−": "$-$", "–": "--", "×": "$\\times$",
    "∞": "$\\infty$", "▲": "$\\uparrow$", "▼": "$\\downarrow$", "✓": "$\\surd$", "✗": "$\\times$", "\u202f": "\\,",
  };
  const latexText = (text) => [...text].map((c) => special[c] ?? c).join("");

  const formats = {
    CSV: (table) => {
      const { columns, table: cells } = contents(table);
      const lines = [columns.map((column) => column.name), ...cells];
      return [lines.map((line) => line.map(csvCell).join(",")).join("\n") + "\n", "text/csv", "csv"];
    },
    JSON: (table) => {
      const { columns, table: cells } = contents(table);
      const rows = cells.map((line) =>
        Object.fromEntries(columns.map((column, i) => [column.name, line[i] === "" ? null : line[i]])));
      return [JSON.stringify(rows, null, 1) + "\n", "application/json", "json"];
    },
    LaTeX: (table) => {
      const { columns, rows } = contents(table);
      const shown = columns.filter((column) => !column.extra);
      const cell = (row, column) => latexText((row.cells[column.index]?.textContent ?? "").replace(/[^\S\u202f]+/g, " ").trim());
      const sides = shown.map((column) => (isNumber(table.tHead.rows[0].cells[column.index]) ? "r" : "l"));
      const lines = rows.map((row) => `${shown.map((column) => cell(row, column)).join(" & ")} \\\\`);
      const head = `${shown.map((column) => latexText(column.name)).join(" & ")} \\\\`;
      const text = [
        "% \\usepackage{booktabs}", `\\begin{tabular}{${sides.join("")}}`, "\\toprule", head, "\\midrule",
        ...lines, "\\bottomrule", "\\end{tabular}", "",
      ];
      return [text.join("\n"), "application/x-tex", "tex"];
    },
  };

  function downloadable(table, tools) {
    const group = make("span", { class: "export", role: "group", "aria-label": `Download ${tools.dataset.label}` });
    for (const [name, write] of Object.entries(formats)) {
      const button = make("button", { type: "button" }, name);
      button.addEventListener("click", () => {
        const [text, type, ending] = write(table);
        save(`${table.id}.${ending}`, text, type);
      });
      group.append(button);
    }
    tools.append(group);
  }

  document.addEventListener("DOMContentLoaded", () => {
    themeButton();
    document.querySelectorAll(".tools").forEach((tools) => {
      const table = document.getElementById(tools.dataset.table);
      const show = filterable(table, tools);
      sortable(table, show);
      downloadable(table, tools);
    });
    // A link to a row of a table that is cut shows all of it.
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target) {
      if (target.hidden) target.closest(".scroll").nextElementSibling.click();
      target.scrollIntoView();
    }
  });
})();
