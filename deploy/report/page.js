// Shows the charts of the convention of energy that is chosen.
const choice = document.getElementById("convention");
choice?.addEventListener("change", () => {
  for (const group of document.querySelectorAll("[data-convention]")) group.hidden = group.dataset.convention !== choice.value;
});

// Sorts a table by the column whose heading is pressed; cells without a value stay at the end.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.value ?? "";
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
        return down ? -order : order;
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    });
  });
}

// On a narrow screen, a table that is wider than its card shows each row as a block, every cell under its heading.
const headed = [...document.querySelectorAll(".scroll table, .costs details table")].filter((table) => table.tHead);
for (const table of headed) {
  const titles = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, column) => { cell.dataset.title = titles[column]; });
}
function arrange() {
  for (const table of headed) table.classList.remove("stacked");
  if (window.innerWidth > 560) return;
  const wide = headed.filter((table) => table.scrollWidth > table.parentElement.clientWidth);
  for (const table of wide) table.classList.add("stacked");
}
arrange();
window.addEventListener("resize", arrange);
for (const folded of document.querySelectorAll("details")) folded.addEventListener("toggle", arrange);

// Saves a figure: its drawing as SVG, in the light theme's colours, or the numbers behind it as CSV.
const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity", "font-size", "font-family", "text-anchor"];
function offer(name, ending, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = `${name.replace(/[^\w.-]+/g, "-").toLowerCase()}.${ending}`;
  link.click();
  URL.revokeObjectURL(link.href);
}
function standalone(figure) {
  document.documentElement.classList.add("light");
  const drawn = figure.querySelector("svg"), copy = drawn.cloneNode(true);
  const originals = [drawn, ...drawn.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((element, number) => {
    const style = getComputedStyle(originals[number]);
    if (!["title", "svg"].includes(element.tagName)) for (const key of STYLES) element.style.setProperty(key, style.getPropertyValue(key));
    element.removeAttribute("class");
  });
  document.documentElement.classList.remove("light");
  const box = drawn.viewBox.baseVal, size = Math.min(14, Math.max(8, box.width / 28)), legend = [...figure.querySelectorAll(".legend li")];
  const write = (text, y, colour) => {
    const line = copy.appendChild(document.createElementNS(drawn.namespaceURI, "text"));
    Object.entries({ x: box.x + 4, y, "font-size": size, "font-family": "sans-serif", fill: colour }).forEach((pair) => line.setAttribute(...pair));
    line.textContent = text;
  };
  write(figure.dataset.name, box.y - size / 2, "#16202b");
  legend.forEach((entry, number) => {
    const mark = entry.querySelector("i");
    write(`${mark ? "\u25a0 " : ""}${entry.textContent.trim()}`, box.y + box.height + (number + 1) * size * 1.3, mark ? getComputedStyle(mark).backgroundColor : "#16202b");
  });
  const height = box.height + 2 * size + legend.length * size * 1.3 + (legend.length ? size / 2 : 0);
  copy.setAttribute("viewBox", `${box.x} ${box.y - 2 * size} ${box.width} ${height}`);
  copy.setAttribute("width", box.width);
  copy.setAttribute("height", height);
  copy.setAttribute("style", "background:#fff");
  return new XMLSerializer().serializeToString(copy);
}
for (const figure of document.querySelectorAll("figure[data-name]")) {
  const line = document.createElement("p");
  line.className = "save";
  const name = figure.dataset.name;
  const kinds = { SVG: () => offer(name, "svg", "image/svg+xml", standalone(figure)), CSV: () => offer(name, "csv", "text/csv", figure.dataset.csv) };
  for (const [kind, press] of Object.entries(kinds)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = kind;
    button.setAttribute("aria-label", `Save ${name} as ${kind}`);
    button.addEventListener("click", press);
    line.append(button);
  }
  figure.append(line);
}
