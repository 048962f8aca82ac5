// Two methods, task by task: the pairs that the board computed, loaded when they are chosen.
"use strict";

const loaded = new Map();

// Each data file calls this with the method's means and differences.
// eslint-disable-next-line no-unused-vars
function compared(method, protocol, tasks) { loaded.set(`${method} ${protocol}`, tasks); }

document.addEventListener("DOMContentLoaded", () => {
  const element = document.getElementById("compare-data");
  const data = JSON.parse(element.textContent);
  const names = Object.keys(data.methods);
  const form = document.getElementById("choice");
  const [a, b, protocol] = ["a", "b", "protocol"].map((name) => form.elements[name]);
  const body = document.querySelector("#compare-table tbody");
  const summary = document.getElementById("summary");
  if (!names.length) {
    summary.textContent = "No method is ranked yet.";
    return;
  }

  const load = (method, rules) => {
    const key = `${method} ${rules}`;
    if (loaded.has(key)) return Promise.resolve(loaded.get(key));
    return new Promise((resolve) => {
      const script = make("script", { src: `compare/${data.methods[method]}.${rules}.js` });
      const end = () => resolve(loaded.get(key) ?? {});
      script.addEventListener("load", end);
      script.addEventListener("error", end);
      document.head.append(script);
    });
  };

  const digits = (value) => {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    const text = size !== 0 && (size >= 1e6 || size < 1e-3) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
    return text.replace("-", "−");
  };

  // First minus second: value, half of the interval's width, adjusted p; null if there is none.
  const pair = (one, other, task) => {
    const [i, j] = [names.indexOf(one.name), names.indexOf(other.name)];
    const [from, to, sign] = i < j ? [one, j, 1] : [other, i, -1];
    const found = from.tasks[task]?.pairs.find((each) => each[0] === to);
    return found ? [sign * found[1], found[2], found[3]] : null;
  };

  const verdictOf = (difference, p, higher) => {
    if (p > 0.05 || difference === 0) return "tied";
    return difference > 0 === higher ? "better" : "worse";
  };
  const signs = { better: "▲", worse: "▼", tied: "=" };

  const numberCell = (value, low, high) => {
    const cell = make("td", { class: "number" });
    if (value === null || value === undefined) {
      cell.classList.add("none");
      cell.textContent = "–";
      return cell;
    }
    cell.dataset.value = value;
    cell.append(make("b", {}, digits(value)));
    if (low !== undefined) {
      cell.dataset.low = low;
      cell.dataset.high = high;
      cell.append(" ", make("small", {}, `${digits(low)} to ${digits(high)}`));
    }
    return cell;
  };

  const probability = (p) => {
    const cell = numberCell(p);
    if (p < 0.001) cell.firstChild.textContent = "< 0.001";
    return cell;
  };

  const round = (value) => Number(value.toPrecision(6));

  function row(task, one, other, about, widest) {
    const found = pair(one, other, task);
    const [difference, half, p] = found;
    const verdict = verdictOf(difference, p, about.higher !== false);
    const name = make("th", { scope: "row", class: "name" });
    if (about.page) name.append(make("a", { href: `tasks/${about.page}.html#${protocol.value}` }, task.replaceAll("_", " ")));
    else name.append(`all core tasks of ${task.slice(1)}`);
    const scaled = numberCell(null);
    if (about.scale) {
      const ends = [difference - half, difference + half].map((value) => round(value / about.scale)).sort((x, y) => x - y);
      const cell = numberCell(round(difference / about.scale), ...ends);
      cell.classList.add("estimate");
      const place = (value) => `${Math.min(100, Math.max(0, 50 + (50 * value) / widest))}%`;
      const bar = make("span", { class: "bar middle", "aria-hidden": "true" });
      bar.style.setProperty("--low", place(ends[0]));
      bar.style.setProperty("--high", place(ends[1]));
      bar.style.setProperty("--at", place(difference / about.scale));
      cell.append(bar);
      scaled.replaceWith(cell);
      return [name, verdict, cell, found];
    }
    return [name, verdict, scaled, found];
  }

  async function show() {
    const [first, second, rules] = [a.value, b.value, protocol.value];
    state.set("a", first);
    state.set("b", second);
    state.set("protocol", rules);
    const command = `suite compare ${first} ${second}`;
    document.getElementById("command").textContent = command;
    document.getElementById("comparison").hidden = true;
    if (first === second) {
      summary.textContent = "Choose two different methods.";
      return;
    }
    const [one, other] = await Promise.all([first, second].map(async (name) => ({ name, tasks: await load(name, rules) })));
    if (first !== a.value || second !== b.value || rules !== protocol.value) return;
    const tasks = Object.keys(data.tasks[rules] ?? {}).filter((task) => pair(one, other, task));
    const single = tasks.filter((task) => !task.startsWith("@"));
    const size = (task) => {
      const about = data.tasks[rules][task];
      const [difference, half] = pair(one, other, task);
      return about.scale ? (Math.abs(difference) + half) / Math.abs(about.scale) : 0;
    };
    const widest = Math.min(1.3, Math.max(0.05, ...tasks.map(size)));
    const counts = { better: 0, worse: 0, tied: 0 };
    const rows = tasks.map((task) => {
      const about = data.tasks[rules][task];
      const [name, verdict, scaled, [difference, half, p]] = row(task, one, other, about, widest);
      if (about.page) counts[verdict] += 1;
      const said = make("td", { class: `searched verdict ${verdict}`, "data-value": verdict },
        make("span", { "aria-hidden": "true" }, signs[verdict]), ` ${verdict}`);
      const line = make("tr", about.page ? {} : { class: "total" }, name, make("td", { class: "searched" }, (about.family ?? "").replaceAll("_", " ")),
        said, scaled, numberCell(round(difference), round(difference - half), round(difference + half)),
        numberCell(...one.tasks[task].mean), numberCell(...other.tasks[task].mean), probability(p));
      return line;
    });
    body.replaceChildren(...rows);
    document.getElementById("comparison").hidden = rows.length === 0;
    document.title = `${first} and ${second} – Optimizer leaderboard`;
    const plural = (n) => (n === 1 ? "task" : "tasks");
    summary.textContent = rows.length
      ? `Under protocol ${rules}, ${first} is better than ${second} on ${counts.better} ${plural(counts.better)}, worse on ${counts.worse}, tied on ${counts.tied} of ${single.length}.`
      : `${first} and ${second} have no task in common under protocol ${rules}.`;
    document.getElementById("compare-table").dispatchEvent(new Event("rows-changed"));
  }

  form.hidden = false;
  const wanted = (select, value) => { if ([...select.options].some((option) => option.value === value)) select.value = value; };
  wanted(a, state.get("a"));
  wanted(b, state.get("b"));
  wanted(protocol, state.get("protocol"));
  if (!state.get("a") && a.value === b.value) a.selectedIndex = a.selectedIndex === 0 && a.length > 1 ? 1 : 0;
  form.addEventListener("change", show);
  document.getElementById("swap").addEventListener("click", () => {
    [a.value, b.value] = [b.value, a.value];
    show();
  });
  show();
});
