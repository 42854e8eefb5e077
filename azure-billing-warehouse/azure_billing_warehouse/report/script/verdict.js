// Whether the bill is whole: what is missing or fails, the tiles, reconciliation and restatements.

const SHOWN_PROBLEMS = 6;

function inView(monthIndex) {
  return view.month === null ? !months[monthIndex].is_comparison : monthIndex === view.month;
}

/** Add up the cells of the chosen currency and month, or of a month that is given. */
function amountOf(cells, month = null) {
  const wanted = month === null ? inView : (index) => index === month;
  return cells
    .filter(([index, currency]) => currency === view.currency && wanted(index))
    .reduce((sum, cell) => sum.add(cell), new Amount());
}

function periodName() {
  return view.month === null ? "All months" : monthLabel(months[view.month]);
}

function showLeftOut() {
  part("left-out").replaceChildren(...data.left_out.map((sentence) => el("p", {}, sentence)));
}

function showBanner() {
  const failing = data.reconciliations.filter((one) => one.status === "fails");
  const reported = new Set(failing.map((one) => one.month));
  const gaps = realMonths.filter((month) => month.state === "missing" && !reported.has(month.index));
  const items = [
    ...data.problems.map((problem) => problemItem("", problem)),
    ...failing.flatMap((one) =>
      one.problems.map((problem) => problemItem(`${one.enrollment_number}, ${months[one.month].name}`, problem)),
    ),
    ...gaps.map((month) =>
      el("li", {}, el("b", {}, month.name), ": missing, nothing of it is published for any enrollment"),
    ),
  ];
  if (!items.length) {
    const all = counted(data.reconciliations.length, "month");
    return part("verdict").replaceChildren(
      el("p", { class: "good" }, `${data.reconciliations.length === 1 ? "The month adds" : `All ${all} add`} up.`),
    );
  }
  const count = failing.length + gaps.length;
  const title = count
    ? `${counted(count, "month")} of ${data.reconciliations.length + gaps.length} ${count === 1 ? "is missing or doesn't" : "are missing or don't"} add up`
    : "Something is wrong with the loads";
  const more = el(
    "details",
    {},
    el("summary", {}, `${items.length - SHOWN_PROBLEMS} more`),
    el("ul", {}, items.slice(SHOWN_PROBLEMS)),
  );
  return part("verdict").replaceChildren(
    el(
      "div",
      { class: "banner", role: "alert" },
      el("h2", {}, title),
      el("ul", {}, items.slice(0, SHOWN_PROBLEMS)),
      items.length > SHOWN_PROBLEMS ? more : "",
    ),
  );
}

function problemItem(where, problem) {
  return el(
    "li",
    {},
    where ? el("b", {}, where) : "",
    `${where ? ": " : ""}${problem.check} ${problem.text}`,
    el("br"),
    command(problem.cure),
  );
}

function tile(name, figure, about, attributes = {}) {
  return el("div", { class: "tile", ...attributes }, el("span", {}, name), el("b", {}, figure), el("small", {}, about));
}

function showTiles() {
  const month = shownMonth();
  const whole = sumOf("TOTAL", [], []).months.get(month.index) ?? new Amount();
  const none = data.cuts[application].values.filter((value) => value.name === null).flatMap((value) => value.cells);
  const unallocated = amountOf(none, month.index);
  const conflict = amountOf(data.in_conflict, month.index);
  const currency = data.currencies[view.currency] ?? "";
  part("tiles").replaceChildren(
    tile(
      `${monthLabel(month)}${currency ? `, ${currency}` : ""}`,
      month.state === "missing" ? "missing" : costNode(whole),
      taxNode(whole),
      { id: "tile-cost" },
    ),
    changeTile(month, whole),
    tile("Without an application", shareOf(unallocated, whole), costNode(unallocated), {
      id: "tile-unallocated",
    }),
    tile("In conflict between patterns", shareOf(conflict, whole), costNode(conflict), {
      id: "tile-conflict",
    }),
    rejectedTile(month),
  );
}

function changeTile(month, whole) {
  const base = baseOf(month);
  const name = base?.isSameDays ? "Change to the same days of the month before" : "Change to the month before";
  if (!base) return tile(name, DASH, "it or the month before isn't there", { id: "tile-change" });
  const before = sumOf("TOTAL", [], []).months.get(base.index);
  const change = changeOf(whole, before);
  const about = [costNode(before), ` in ${base.label}`];
  if (!change) return tile(name, "unknown", about, { id: "tile-change" });
  return tile(
    name,
    [el("span", { title: String(change.money) }, signed(change.money)), el("i", {}, ` ${change.text}`)],
    about,
    { id: "tile-change" },
  );
}

function rejectedTile(month) {
  const found = data.reconciliations.filter((one) => one.month === month.index);
  const rows = found.reduce((sum, one) => sum + one.rejected_rows, 0);
  const unknown = found.reduce((sum, one) => sum + one.rejected_unknown, 0);
  const rejected = total(found.map((one) => one.rejected_cost));
  const whole = rejected + total(found.map((one) => one.staged_cost));
  const figure = rows && unknown === rows ? "unknown" : percentage(rejected, whole);
  return tile(
    "Rejected",
    figure,
    rows ? [knownNode(rejected, rows, unknown), ` in ${counted(rows, "row")}`] : "0 rows",
    { id: "tile-rejected" },
  );
}

function reconciliationRows(one) {
  const api = one.api_cost === null ? null : Number(one.api_cost);
  const together = total([one.staged_cost, one.rejected_cost]);
  const difference = api === null ? null : total([api, -one.staged_cost, -one.rejected_cost]);
  const isSame =
    difference !== null && Math.abs(difference) <= 1e-6 + 1e-12 * Math.max(Math.abs(api), Math.abs(together));
  const known = (cost, rows, unknown) =>
    one.snapshot_at === null ? DASH : figures(knownNode(cost, rows, unknown), rows);
  const lacking = one.api_rows === null ? 0 : one.api_rows - one.staged_rows - one.rejected_rows;
  const row = [
    el("span", { class: "name" }, one.enrollment_number, el("small", {}, months[one.month].name)),
    el("span", { class: one.status === "ok" ? "good" : "bad" }, one.status),
    figures(one.api_cost === null ? "unknown" : grouped(one.api_cost), one.api_rows),
    known(one.staged_cost, one.staged_rows, one.staged_unknown),
    known(one.rejected_cost, one.rejected_rows, one.rejected_unknown),
    difference === null
      ? DASH
      : figures(
          el("span", { title: String(difference), class: isSame ? "" : "bad" }, isSame ? "0.00" : signed(difference)),
          lacking,
        ),
    taxOf(one),
  ];
  const found = findingsOf(one);
  return found.length
    ? [row, el("tr", { class: "found" }, el("td", { colspan: row.length }, el("ul", { class: "notes" }, found)))]
    : [row];
}

function taxOf(one) {
  if (one.snapshot_at === null) return DASH;
  if (lacksTax(one.staged_cost, one.staged_cost_with_tax)) return unknownNode(one.staged_rows);
  return knownNode(one.staged_cost_with_tax, one.staged_rows, one.staged_unknown);
}

function figures(cost, rows) {
  return el("span", { class: "stack" }, cost, el("small", {}, rows === null ? "no month row" : counted(rows, "row")));
}

function findingsOf(one) {
  const published = one.published_snapshot_at
    ? `the views show the snapshot of ${instant(one.published_snapshot_at)}`
    : "nothing of it is published";
  const items = one.problems.map((problem) => problemItem("", problem));
  if (one.snapshot_at !== null && !one.is_published)
    items.push(el("li", {}, `The newest snapshot isn't published: ${published}.`));
  if (one.currencies.length > 1)
    items.push(
      el(
        "li",
        {},
        `In ${one.currencies.map((place) => data.currencies[place] || "no currency").join(", ")}, all together.`,
      ),
    );
  return [...items, ...one.notes.map((note) => el("li", {}, note))];
}

function showReconciliation() {
  const columns = [
    { label: "Enrollment" },
    { label: "Verdict" },
    ...["API", "= published", "+ rejected", "Difference", "Published, with tax"].map((label) => ({
      label,
      number: true,
    })),
  ];
  const chosen = data.reconciliations.filter((one) => inView(one.month)).sort((a, b) => b.month - a.month);
  const about =
    "What the API gave must be what is published and what was rejected, in rows and in cost. Each line is of the newest snapshot of a month. No tax is known of rejected rows.";
  part("reconciliation").replaceWith(
    section(
      "reconciliation",
      "Does each month add up?",
      about,
      chosen.length
        ? longTable("Reconciliation", columns, chosen.flatMap(reconciliationRows), 24)
        : el("p", {}, "Nothing is known of this month."),
    ),
  );
}

function showRestatements() {
  const chosen = data.restatements.filter((one) => inView(one.month));
  const columns = [
    { label: "Enrollment" },
    { label: "Replaced" },
    { label: "Before", number: true },
    { label: "After", number: true },
    { label: "Change", number: true },
    { label: "By application" },
  ];
  const rows = chosen.map((one) => {
    const change = total([one.cost, -one.cost_before]);
    return [
      el("span", { class: "name" }, one.enrollment_number, el("small", {}, months[one.month].name)),
      el("span", { class: "stack" }, instant(one.before_at), el("small", {}, `by ${instant(one.at)}`)),
      figures(knownNode(one.cost_before), one.rows_before),
      figures(knownNode(one.cost), one.rows),
      el(
        "span",
        { class: "stack", title: String(change) },
        signed(change),
        el("small", {}, percentage(change, one.cost_before, "+")),
      ),
      el("ul", { class: "notes" }, one.applications.map(restatedApplication)),
    ];
  });
  const about = "Months whose published snapshot replaced another complete one, and what that changed.";
  part("restatements").replaceWith(
    section(
      "restatements",
      "Restatements",
      about,
      rows.length ? tableNode("Restatements", columns, rows) : el("p", {}, "None."),
    ),
  );
}

function restatedApplication([name, before, after]) {
  const change = total([after, -before]);
  return el(
    "li",
    { title: String(change) },
    `${name ?? "without an application"}: ${money(before)} \u2192 ${money(after)} (${signed(change)})`,
  );
}
