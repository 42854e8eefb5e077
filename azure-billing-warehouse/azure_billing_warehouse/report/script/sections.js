// What the analyst can do something about: what is unallocated, conflicts and findings; and the load history.

const LISTED = 10;

const PATTERN_LEVELS = {
  last_segment: "resource's name",
  resource_group: "resource group",
  subscription: "subscription",
};

const REASONS = {
  nothing_to_match: "The row names no resource, resource group or subscription",
  no_match: "No pattern is contained in its resource's name, resource group or subscription",
  unknown: "Not known: it was migrated, or loaded by a version that didn't say",
};

function showUnallocated() {
  const whole = view.month === null ? sumOf("TOTAL", [], []).total : sumOf("TOTAL", [], []).months.get(view.month);
  const rows = data.unallocated
    .map(([reason, cells]) => ({ reason, amount: amountOf(cells) }))
    .filter((one) => one.amount.rows);
  const columns = [
    { label: "Reason" },
    { label: "Rows", number: true },
    { label: "Cost", number: true },
    { label: "Of all", number: true },
  ];
  const reasons = rows.map(({ reason, amount }) => [
    REASONS[reason],
    COUNT.format(amount.rows),
    costNode(amount),
    shareOf(amount, whole),
  ]);
  const about = `Cost without an application means that no pattern matched. ${periodName()}.`;
  part("unallocated").replaceWith(
    section(
      "unallocated",
      "What is unallocated, and why",
      about,
      reasons.length ? tableNode("Reasons", columns, reasons) : el("p", {}, "None."),
      ...largestUnallocated(),
      ...suggestionNodes(),
    ),
  );
}

function largestUnallocated() {
  const none = data.cuts[application].values.findIndex((value) => value.name === null);
  const members = none < 0 ? [] : membersOf([{ cut: "application", value: none }]);
  const rows = rowsOfMembers(members, RESOURCE)
    .map((row) => ({ row, amount: view.month === null ? row.total : row.months.get(view.month) }))
    .filter((one) => one.amount?.rows)
    .sort((a, b) => b.amount.cost - a.amount.cost)
    .slice(0, LISTED);
  const columns = [{ label: "Resource" }, { label: "Rows", number: true }, { label: "Cost", number: true }];
  if (!rows.length) return [];
  return [
    el("h3", {}, "Largest resources without an application"),
    tableNode(
      "Largest resources without an application",
      columns,
      rows.map(({ row, amount }) => [nameCell(row), COUNT.format(amount.rows), costNode(amount)]),
    ),
  ];
}

function suggestionNodes() {
  const title = el("h3", {}, "Patterns that would help");
  if (!data.suggestions.length)
    return [
      title,
      el(
        "p",
        {},
        data.suggestions_missing ||
          "No word stands in the names, groups or tags of these resources that would be a pattern.",
      ),
    ];
  const columns = [
    { label: "Word" },
    { label: "Cost", number: true },
    { label: "Resources", number: true },
    { label: "Found in" },
    { label: "Examples" },
    { label: "Try it" },
  ];
  const rows = data.suggestions.map(([word, cost, count, found, examples]) => [
    el("b", {}, word),
    knownNode(cost),
    COUNT.format(count),
    found.join(", "),
    el(
      "ul",
      { class: "notes" },
      examples.map((example) => el("li", { title: example }, shortId(example), el("small", {}, ` ${placeOf(example)}`))),
    ),
    command(`azure-billing-warehouse patterns test ${quoted(word)}`),
  ]);
  return [
    title,
    el(
      "p",
      {},
      "Words of these resources' names, groups and tags, by the cost that a pattern of this word would find in all months, among the 20,000 costliest of these resources.",
    ),
    tableNode("Patterns that would help", columns, rows),
  ];
}

/** Quote a word for the shell, if it needs it. */
function quoted(word) {
  return /^[\w.][\w.-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function showConflicts() {
  const columns = [{ label: "Resource" }, { label: "Patterns that match" }, { label: "Cost", number: true }];
  const rows = data.conflicts
    .map(([id, selected, count, patterns, cells]) => ({ id, selected, count, patterns, amount: amountOf(cells) }))
    .filter((one) => one.amount.rows)
    .sort((a, b) => b.amount.cost - a.amount.cost)
    .map((one) => [
      el("span", { class: "name", title: one.id }, shortId(one.id), el("small", {}, placeOf(one.id))),
      el("ul", { class: "notes" }, patternItems(one)),
      costNode(one.amount),
    ]);
  const about = `More than one pattern matches; the first level with a match decides, and there the lowest id. ${periodName()}.`;
  part("conflicts").replaceWith(
    section(
      "conflicts",
      "Conflicts between patterns",
      about,
      rows.length ? longTable("Conflicts", columns, rows, LISTED) : el("p", {}, "None."),
    ),
  );
}

function patternItems({ selected, count, patterns }) {
  const items = patterns.map(([pattern, levels]) => {
    const where = levels.map((level) => PATTERN_LEVELS[level] ?? level).join(", ");
    return el(
      "li",
      {},
      el(pattern === selected ? "b" : "span", {}, pattern),
      where ? ` (${where})` : "",
      pattern === selected ? el("span", { class: "badge" }, "selected") : "",
    );
  });
  const more = count - patterns.length;
  return more > 0
    ? [...items, el("li", {}, `${counted(more, "more pattern")}, which the patterns of today can't name`)]
    : items;
}

function showFindings() {
  const found = new Map();
  for (const one of data.findings.filter((finding) => inView(finding.month))) {
    const key = JSON.stringify([one.rule, one.severity, one.column]);
    if (!found.has(key)) found.set(key, { ...one, rows: 0, cost: new Sum(), unknown: 0, examples: new Set() });
    const sum = found.get(key);
    sum.rows += one.rows;
    sum.cost.add(one.cost);
    sum.unknown += one.unknown;
    one.examples.forEach((example) => sum.examples.add(example));
  }
  const rules = [...new Set([...found.values()].map((one) => one.rule))].sort((a, b) =>
    a.localeCompare(b, "en", { numeric: true }),
  );
  const blocks = rules.map((rule) =>
    ruleNode(
      rule,
      [...found.values()].filter((one) => one.rule === rule),
    ),
  );
  const about = `What the rules found in the rows as they came; a row can have more than one finding. Severity reject: the row is kept whole and not published; null: the value was set to null; warn: it stayed. ${periodName()}.`;
  part("findings").replaceWith(
    section("findings", "Findings by rule", about, ...(blocks.length ? blocks : [el("p", {}, "None.")])),
  );
}

function ruleNode(rule, found) {
  const rows = found.reduce((sum, one) => sum + one.rows, 0);
  const columns = [
    { label: "Column" },
    { label: "Severity" },
    { label: "Rows", number: true },
    { label: "Cost of these rows", number: true },
    { label: "Examples" },
  ];
  const lines = found.map((one) => [
    one.column,
    el("span", { class: `severity ${one.severity}` }, one.severity),
    COUNT.format(one.rows),
    knownNode(one.cost.value, one.rows, one.unknown),
    el("span", { class: "examples" }, [...one.examples].slice(0, 5).map(exampleNode)),
  ]);
  const severities = [...new Set(found.map((one) => one.severity))].map((severity) =>
    el("span", { class: `severity ${severity}` }, severity),
  );
  return el(
    "details",
    { open: printing || found.some((one) => one.severity === "reject") },
    el("summary", {}, el("b", {}, rule), " ", severities, ` ${counted(rows, "finding")}`),
    el("p", {}, data.rules[rule] ?? ""),
    tableNode(`Findings of ${rule}`, columns, lines),
  );
}

function exampleNode(example) {
  return example === null ? el("i", {}, "null") : el("code", {}, example === "" ? "(empty)" : example);
}

function showLoads() {
  const columns = [
    { label: "Begun" },
    { label: "Enrollment" },
    { label: "Month" },
    { label: "State" },
    { label: "Rows", number: true },
    { label: "Seconds", number: true },
  ];
  const newest = data.loads.toSorted((a, b) => (a.at < b.at) - (a.at > b.at));
  const rows = newest.map((one) => [
    instant(one.at),
    one.enrollment_number,
    monthName(one.month),
    el("span", { class: { published: "good", "not complete": "bad" }[one.state] ?? "quiet" }, one.state),
    one.rows === null ? DASH : COUNT.format(one.rows),
    one.seconds === null ? DASH : COUNT.format(Math.round(one.seconds)),
  ]);
  part("loads").replaceWith(
    section(
      "loads",
      "Load history",
      "Every extraction of a month, newest first; the newest complete one is published.",
      longTable("Load history", columns, rows, 12),
    ),
  );
}
