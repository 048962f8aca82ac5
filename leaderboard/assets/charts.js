// Figures: a pointer or the arrow keys read values off the lines, the legend shows one line alone.
"use strict";

(() => {
  const digits = (value) => {
    const size = Math.abs(value);
    if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(2);
    return String(Number(value.toPrecision(4)));
  };

  // One side of a figure: from its units to values.
  const scale = (text, start, end) => {
    const [low, high, log] = text.split(" ");
    const [a, b] = log ? [Math.log(low), Math.log(high)] : [Number(low), Number(high)];
    return (at) => {
      const value = a + ((at - start) / (end - start)) * (b - a);
      return log ? Math.exp(value) : value;
    };
  };

  const pointsOf = (group) =>
    group.querySelector("path.line").getAttribute("d").split(/[M ]/).filter(Boolean)
      .map((point) => point.split(",").map(Number));

  // The height of a line at a position; undefined where it has none.
  const heightAt = (points, x) => {
    const after = points.findIndex((point) => point[0] >= x);
    if (after < 0) return undefined;
    if (after === 0) return points[0][0] - x < 0.6 ? points[0][1] : undefined;
    const [[x0, y0], [x1, y1]] = [points[after - 1], points[after]];
    return x1 === x0 ? y1 : y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
  };

  function readable(figure, svg, alone) {
    const [left, top, right, bottom] = svg.dataset.area.split(" ").map(Number);
    const xValue = scale(svg.dataset.x, left, right);
    const yValue = scale(svg.dataset.y, bottom, top);
    const groups = [...svg.querySelectorAll("g[data-name]")];
    const points = new Map();
    const line = (group) => {
      if (!points.has(group)) points.set(group, pointsOf(group));
      return points.get(group);
    };
    const tip = make("div", { class: "tip", role: "status" });
    tip.hidden = true;
    figure.append(tip);
    const cross = document.createElementNS("http://www.w3.org/2000/svg", "path");
    cross.setAttribute("class", "cross");
    svg.append(cross);
    const label = [...svg.querySelectorAll("text")].find((text) => Number(text.getAttribute("y")) > bottom + 20);
    let at = null;

    const hide = () => { tip.hidden = true; cross.setAttribute("d", ""); at = null; };
    const show = (x, y) => {
      at = Math.min(right, Math.max(left, x));
      const shown = groups.filter((group) => (alone() ? group.dataset.name === alone() : group.dataset.series));
      const rows = shown.map((group) => [group, heightAt(line(group), at)]).filter(([, height]) => height !== undefined);
      if (!alone() && y !== undefined) {
        const grey = groups.filter((group) => !group.dataset.series)
          .map((group) => [group, heightAt(line(group), at)])
          .filter(([, height]) => height !== undefined && Math.abs(height - y) < 8)
          .sort((a, b) => Math.abs(a[1] - y) - Math.abs(b[1] - y))[0];
        if (grey) rows.push(grey);
      }
      rows.sort((a, b) => a[1] - b[1]);
      cross.setAttribute("d", `M${at},${top}V${bottom}`);
      tip.replaceChildren(
        make("b", {}, `${digits(xValue(at))} ${label ? label.textContent : ""}`),
        ...rows.map(([group, height]) =>
          make("span", {}, make("i", { class: `key key-${group.dataset.series || "grey"}` }), ` ${group.dataset.name} `,
            make("b", {}, digits(yValue(height))))),
      );
      tip.hidden = false;
      const box = svg.getBoundingClientRect();
      const across = (at / svg.viewBox.baseVal.width) * box.width;
      const right_ = across > box.width / 2;
      tip.style.left = right_ ? "auto" : `${across + 12}px`;
      tip.style.right = right_ ? `${figure.clientWidth - across + 12}px` : "auto";
    };
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const unit = svg.viewBox.baseVal.width / box.width;
      show((event.clientX - box.left) * unit, (event.clientY - box.top) * unit);
    });
    svg.addEventListener("pointerleave", hide);
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      show((at ?? left) + (step * (right - left)) / 50);
    });
    svg.addEventListener("blur", hide);
  }

  function chart(figure) {
    const svg = figure.querySelector("svg");
    const key = `line.${figure.id}`;
    const groups = [...svg.querySelectorAll("g[data-name]")];
    let alone = "";
    const buttons = [];
    const others = groups.filter((group) => !group.dataset.series).map((group) => group.dataset.name).sort();
    const select = make("select", { "aria-label": "Show another method alone" },
      make("option", { value: "" }, `${others.length} others…`), ...others.map((name) => make("option", { value: name }, name)));
    const isolate = (name) => {
      alone = name;
      groups.forEach((group) => {
        group.classList.toggle("faded", Boolean(alone) && group.dataset.name !== alone);
        group.classList.toggle("alone", group.dataset.name === alone);
      });
      buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent.trim() === alone)));
      select.value = others.includes(alone) ? alone : "";
      state.set(key, alone);
    };
    figure.querySelectorAll(".legend li").forEach((item) => {
      const button = make("button", { type: "button", "aria-pressed": "false", title: "Show this line alone" }, ...item.childNodes);
      button.addEventListener("click", () => isolate(alone === button.textContent.trim() ? "" : button.textContent.trim()));
      buttons.push(button);
      item.append(button);
    });
    if (others.length) figure.querySelector(".legend").append(make("li", {}, select));
    select.addEventListener("change", () => isolate(select.value));
    if (svg.dataset.area) readable(figure, svg, () => alone);
    const wanted = state.get(key);
    if (groups.some((group) => group.dataset.name === wanted)) isolate(wanted);
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("figure.chart").forEach(chart);
  });
})();
