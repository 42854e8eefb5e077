// Elements of the page. Text is only ever set as text: nothing of the bill is read as HTML.

/** Make an element; `on...` are listeners, `null` and `false` attributes are left out, children are elements or text. */
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== ""));
  return element;
}

function part(id) {
  return document.getElementById(id);
}

/** Show a cost: its cents, all of it as a title, and how much of it is unknown. */
function costNode(amount, which = "cost") {
  if (!amount || amount.rows === 0) return el("span", { class: "quiet" }, DASH);
  if (which === "tax" && lacksTax(amount.cost, amount.tax)) return unknownNode(amount.rows);
  return knownNode(amount[which], amount.rows, amount.unknown);
}

/** Whether no cost with tax is known: a bill that has some isn't nothing with tax. */
function lacksTax(cost, tax) {
  return tax === 0 && cost !== 0;
}

function unknownNode(rows) {
  return el("span", { class: "unknown", title: `${counted(rows, "row")} of unknown cost` }, "unknown");
}

function knownNode(cost, rows, unknown) {
  if (rows > 0 && unknown === rows) return unknownNode(rows);
  const lacking = unknown > 0 ? el("small", {}, ` + ${counted(unknown, "row")} of unknown cost`) : "";
  return el("span", { title: String(cost) }, money(cost), lacking);
}

/** Show a cost with tax beside the one before tax, which says how much of it is unknown. */
function taxNode(amount) {
  if (amount.rows === 0) return "nothing of it is published";
  return amount.isUnknown || lacksTax(amount.cost, amount.tax)
    ? "unknown with tax"
    : el("span", { title: String(amount.tax) }, `${money(amount.tax)} with tax`);
}

/** A command that can be copied. */
function command(text) {
  const code = el("code", { tabindex: "0" }, text);
  const copy = async (event) => {
    getSelection().selectAllChildren(code);
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected";
    }
  };
  return el(
    "span",
    { class: "command" },
    code,
    el("button", { type: "button", class: "small", onclick: copy }, "Copy"),
  );
}

/** A table in a box that scrolls by itself. Columns: {label, number, sort, control}; rows: cells, or an element. */
function tableNode(caption, columns, rows, foot = []) {
  const cells = (tag, row) =>
    row.map((cell, place) =>
      el(
        place === 0 ? "th" : tag,
        { class: columns[place].number ? "number" : null, scope: place === 0 ? "row" : null },
        cell,
      ),
    );
  const line = (row) => (row instanceof Node ? row : el("tr", {}, cells("td", row)));
  const heads = columns.map((column) =>
    el(
      "th",
      { scope: "col", class: column.number ? "number" : null, "aria-sort": column.sort ?? null },
      column.control ?? column.label,
    ),
  );
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el(
      "table",
      {},
      el("caption", { class: "hidden" }, caption),
      el("thead", {}, el("tr", {}, heads)),
      el("tbody", {}, rows.map(line)),
      foot.length ? el("tfoot", {}, foot.map(line)) : "",
    ),
  );
}

/** A table of which only the first rows are shown until asked for; paper has more of them. */
function longTable(caption, columns, rows, limit) {
  const box = el("div");
  const show = (count) => {
    const more = el("button", { type: "button", onclick: () => show(rows.length) }, "Show all");
    const rest = `${counted(rows.length - count, "more row")} not printed`;
    box.replaceChildren(
      tableNode(caption, columns, rows.slice(0, count)),
      count < rows.length ? el("p", {}, more, el("span", { class: "on-paper" }, rest)) : "",
    );
  };
  show(printing ? PAPER_ROWS : limit);
  return box;
}

function section(id, title, about, ...children) {
  return el(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    el("h2", { id: `${id}-title` }, title),
    el("p", {}, about),
    ...children,
  );
}
