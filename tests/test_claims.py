"""Verdicts and tables from small made-up runs whose counts are known."""

import itertools

import numpy as np
import pandas as pd
import pytest

from lib.book import report
from lib.data import paper
from lib.experiments import capacity, claims, dynamics, points, regularization, replication
from lib.run import Run
from lib.stats import intervals, measures, words
from lib.stats.rules import runs_at
from lib.store import Store
from lib.store.run_file import summarize


def cell(task, width, variant, held_out=(), facts=(), seen=1.0):
    """Runs of one cell, a seed each."""
    size = max(len(held_out), len(facts))
    pad = lambda values: list(values) or [np.nan] * size  # noqa: E731
    table = pd.DataFrame({"seed": range(size), "held_out_correct": pad(held_out), "facts_accuracy": pad(facts)})
    table["run"] = [f"{task}{width}{variant}{seed}" for seed in range(size)]
    seen_accuracy = seen if held_out else np.nan
    return table.assign(
        task=task, width=width, variant=variant, seen_accuracy=seen_accuracy, loss=0.5, held_out_asked=4
    )


def runs(n14=20, n56=0, of=40):
    """Every cell but MLT's; n14 and n56 have this many successes on the sums."""
    parts = []
    for variant in ("base", "wd"):
        for width, right in ((14, n14), (28, 0), (56, n56)):
            parts.append(cell("arithmetic", width, variant, [4] * right + [3] * (of - right)))
            parts.append(cell("joint", width, variant, [0] * of, [1.0] * of, seen=0.4 if width == 14 else 1.0))
            low = np.linspace(0.02, 0.08, 12) if width == 14 else np.linspace(0.98, 1, 12)
            parts.append(cell("facts", width, variant, facts=list(low)))
    return pd.concat(parts, ignore_index=True)


def verdicts(judged, variant="base"):
    chosen = judged[judged["variant"] == variant]
    return {(r.claim, r.task, r.width): r.verdict for r in chosen.itertuples()}


def test_verdicts_follow_the_registered_rules():
    found = verdicts(claims.judge(runs(), paper.results()))
    assert found[("C1", "arithmetic", 14)] == "unresolved"  # 20 of 40
    assert found[("C2", "facts", 14)] == "replicated"
    assert found[("C3", "facts", 56)] == "replicated"
    assert found[("C4", "arithmetic", 56)] == "replicated"  # 0 of 40: the upper bound is 8.8 %
    assert found[("C3", "facts", 384)] == found[("C4", "arithmetic", 384)] == "missing"
    # n14 did not learn the seen sums, n28 and n56 had failed alone
    assert {found[("C6", "joint", width)] for width in (14, 28, 56)} == {"uninformative"}


@pytest.mark.parametrize(
    ("n14", "n56", "of", "small", "large"),
    [
        (40, 0, 40, "replicated", "replicated"),
        (8, 20, 40, "not replicated", "not replicated"),
        (6, 0, 6, "replicated", "unresolved"),
        (5, 0, 5, "unresolved", "unresolved"),
    ],
)
def test_verdicts_change_with_the_counts(n14, n56, of, small, large):
    for variant in ("base", "wd"):
        found = verdicts(claims.judge(runs(n14, n56, of), paper.results()), variant)
        assert (found[("C1", "arithmetic", 14)], found[("C4", "arithmetic", 56)]) == (small, large)


def test_the_primary_family_has_twelve_members_and_missing_ones_count():
    gaps = claims.trade_offs(runs(n14=36))
    assert len(gaps) == 12 and gaps["p"].isna().sum() == 4  # MLT, two outcomes, two variants
    sums = gaps[(gaps["task"] == "arithmetic") & (gaps["width"] == 56)].iloc[0]
    assert sums["estimate"] == 0.9 and sums["verdict"] == "replicated"
    assert sums["p"] == pytest.approx(intervals.fisher(36, 40, 0, 40))
    least = gaps["p"].min()
    assert gaps.loc[gaps["p"] == least, "adjusted"].iloc[0] == pytest.approx(12 * least)
    recall = gaps[(gaps["task"] == "facts") & (gaps["width"] == 28)].iloc[0]
    assert recall["estimate"] == pytest.approx(0.94) and recall["verdict"] == "replicated"


def test_the_table_of_findings_has_what_was_run_and_the_record_has_the_rest():
    data = runs(n56=20)
    judged, gaps = claims.judge(data, paper.results()), claims.trade_offs(data)
    table = report.findings(judged, gaps)
    text = "\n".join(table["claim"])
    assert all(f">{claim}</a>" in text for claim in report.WORDS if claim != "C8") and "MLT" not in " ".join(
        table["size"]
    )
    assert not table["verdict"].str.contains("missing").any()
    c1 = table.iloc[0]
    assert (c1["ours"], c1["the paper's one run"]) == ("20\u00a0of\u00a040", "4\u00a0of\u00a04\u00a0sums")
    assert c1["runs"] == "40"
    joint = table[table["claim"].str.contains(">C6<")].iloc[0]
    assert "seen sums not learnt" in joint["verdict"] and "otherwise replicated" in joint["verdict"]  # 0 of 40
    record = report.record(judged, gaps).set_index("claim")
    assert record.loc["C4"].str[2:].tolist() == ["not replicated", "not replicated", "T"]  # although MLT is missing
    assert record.loc["C3"].tolist() == ["·\u00a0missing", "✓\u00a0replicated", "MLT"]
    assert record.loc["C8", "of what was run"] == "–"
    sentence = report.not_run(judged, gaps)
    assert words.MLT in sentence and "What C3, C4, C6, C7 and C9 say" in sentence
    nothing = claims.judge(data.head(0), paper.results()), claims.trade_offs(data.head(0))
    assert report.findings(*nothing).to_dict("list") == {"claim": ["no run yet"]}
    assert set(report.record(*nothing)["of what was run"]) == {"–"}
    sentence = report.not_run(*nothing)
    assert sentence.startswith("Not run: n14, n28, n56 and MLT") and "What" not in sentence
    assert claims.due(data.head(0)).empty


def test_what_an_open_share_does_say():
    text = report.undecided(claims.judge(runs(n14=23), paper.results()))
    assert text.startswith("The share of n14 runs with all four held-out sums right lies between 41 and 73 %")
    assert "that every run has them is ruled out; that none has them is ruled out" in text
    assert f"a verdict takes about {runs_at('extrapolates', 23 / 40)} runs or more" in text
    assert report.undecided(claims.judge(runs(n14=40), paper.results())) == ""


def test_an_interval_without_width_says_what_it_hides():
    assert words.mean_span(1.0, 1.0, 6) == "all 6 alike; up to 46 % could differ"  # 1 - 0.025^(1/6)
    assert words.mean_span(0.94, 0.98, 6) == "94 to 98 %" and words.mean_span(np.nan, np.nan, 1) == "–"


def test_cells_are_counted_against_the_protocol():
    data = runs(of=20)
    text = report.provisional(data)
    assert text.startswith("18 of the protocol's 28 cells") and text.endswith("No run yet: MLT.")
    few = "Short of it are: arithmetic n14 base (3 of 20), arithmetic n28 base (3 of 20)"
    assert few in report.provisional(runs(0, 0, 3))


# Which runs are judged, and their order


def made(data, start="2026-11-24T00:00:00Z"):
    """The runs with times, one after another in the order of the table, ten seconds each with a second between."""
    ends = pd.Timestamp(start) + pd.to_timedelta(11 * np.arange(len(data)), unit="s")
    return data.assign(finished=ends.astype(str), seconds=10.0)


def registered_runs(sums=20, joint=8, facts=6):
    cells = itertools.product(("base", "wd"), (14, 28, 56))
    parts = []
    for variant, width in cells:
        parts += [cell("arithmetic", width, variant, [4] * sums), cell("joint", width, variant, [0] * joint)]
        parts.append(cell("facts", width, variant, facts=[0.5] * facts))
    order = pd.concat(parts)
    return order.assign(place=order["task"].map(claims.TASKS.index)).sort_values(["place", "seed"], kind="stable")


def test_runs_are_judged_at_the_registered_numbers_only():
    due = claims.due(made(registered_runs(sums=33, joint=8, facts=4)))
    seeds = due.groupby(["task", "width", "variant"]).size().groupby("task").agg(["min", "max"])
    assert seeds.loc["arithmetic"].tolist() == [20, 20]  # the next look is at 40
    assert seeds.loc["joint"].tolist() == [8, 8]
    assert seeds.loc["facts"].tolist() == [4, 4]  # before the first look all count
    missing = made(registered_runs(sums=40)).query("not (task == 'arithmetic' and width == 56 and seed == 39)")
    assert claims.due(missing).query("task == 'arithmetic'")["seed"].max() == 19


def test_runs_begun_before_the_registration_are_left_out():
    data = made(registered_runs(), start=str(claims.REGISTERED + pd.Timedelta("9s")))
    due = claims.due(data)
    assert len(due) == len(data) - 1 and data.iloc[0]["run"] not in set(due["run"])


def test_the_order_of_the_runs_is_compared_with_the_registered_one():
    data = registered_runs(sums=3, joint=2, facts=1)
    assert claims.deviations(made(data)).empty
    late = data[(data["task"] == "arithmetic") & (data["seed"] == 2)]
    found = claims.deviations(made(pd.concat([data.drop(late.index[0:0]), late]).drop_duplicates("run", keep="last")))
    assert found.to_dict("list") == {
        "made": ["facts", "joint"], "seeds": ["0", "0 to 1"], "before": ["arithmetic"] * 2, "their_seeds": ["2", "2"],
    }  # fmt: skip
    assert claims.ranges(pd.Series([3, 0, 1, 7, 8, 9])) == "0 to 1, 3, 7 to 9"


def test_verdicts_that_change_are_listed():
    now, then = (claims.judge(runs(n14, 0, of), paper.results()) for n14, of in ((40, 40), (10, 20)))
    changed = report.changed(now, then).query("variant == 'base'").set_index("claim")
    assert changed.loc["C1", ["verdict then", "verdict now"]].tolist() == ["unresolved", "replicated"]
    assert changed.loc["C4", ["ours then", "ours now"]].tolist() == ["0 of 20", "0 of 40"]


def test_the_trend_is_that_of_the_counts():
    found = claims.trends(runs(n14=30, n56=2)).set_index("variant")
    sizes = [Run("arithmetic", width, 0).architecture.parameters() for width in (14, 28, 56)]
    z, p = intervals.cochran_armitage([30, 0, 2], [40, 40, 40], sizes)
    assert found.loc["base", "z"] == z and found.loc["wd", "p"] == p


def test_tiny_p_values_are_not_told_apart():
    assert [words.p_value(p) for p in (1.0, 0.0123, 1e-4, 9.9e-5, 0.0)] == ["1", "0.012", "0.0001", *["<0.0001"] * 2]


# Tables of outcomes


def curves(data):
    """Two evaluations a run: at 250 with one more sum right and a better score, at 500 as in `data`."""
    late = data.assign(iteration=500, score=0.5, addition=90.0, subtraction=90.0)
    early = late.assign(
        iteration=250, score=0.6, held_out_correct=(data["held_out_correct"] + 1).clip(upper=4), loss=0.9
    )
    return pd.concat([early, late], ignore_index=True)


def test_rules_of_reporting_are_counted_apart():
    data = runs(n14=10, of=20)
    strips = replication.strips(curves(data))
    assert len(strips) == 3 * len(data) and list(strips["task"].unique()) == ["sums", "capitals", "both"]
    n14 = strips[(strips["task"] == "sums") & (strips["width"] == 14)]
    right = n14[n14["variant"] == "base"].groupby("rule")["success"].sum()
    assert right.to_dict() == {"final": 10, "paper's checkpoint": 20, "lowest loss": 10}
    one = n14[n14["rule"] == "final"]
    assert one.groupby("variant")["success"].sum().to_dict() == {"base": 10, "wd": 10}
    assert one[["low", "high"]].iloc[0].tolist() == pytest.approx(intervals.clopper_pearson(10, 20))


def test_pairs_are_by_seed():
    base = cell("arithmetic", 14, "base", [4, 4, 3, 3, 4])
    decayed = cell("arithmetic", 14, "wd", [4, 3, 4, 3, 2]).assign(
        seed=[0, 1, 2, 3, 7]
    )  # seeds 4 and 7 have no partner
    row = regularization.paired(pd.concat([base, decayed])).iloc[0]
    assert row[["pairs", "both", "only without", "only with", "neither"]].tolist() == [4, 1, 1, 1, 1]
    assert row["p"] == 1 and row["difference"] == 0


def test_published_numbers_are_rounded():
    """97.8 is 89 of 91: a run of ours with 97.802 is the same."""
    data = curves(cell("arithmetic", 56, "base", [0] * 5)).assign(addition=100 * 89 / 91, subtraction=50.0)
    table = replication.compared(data, paper.results()).set_index("measure")
    places = table["place"].to_dict()
    assert places["addition (%)"] == "inside" and places["subtraction (%)"] == "outside"
    assert places["final loss"] == "outside"  # ours is 0.5 in each run
    one = replication.compared(curves(cell("arithmetic", 56, "base", [0])), paper.results())
    assert set(one["place"]) == {"no interval"}


def test_spans_of_held_out_sums():
    rows = [("a", 14, 0, i, "5+7", "held out", i in (500, 1000)) for i in (0, 500, 750, 1000, 1250)]
    rows += [("a", 14, 0, i, "7+5", "held out", False) for i in (0, 500)]
    names = ["run", "width", "seed", "iteration", "prompt", "group", "greedy"]
    table = dynamics.spans(pd.DataFrame(rows, columns=names)).set_index("prompt")
    assert table.loc["5+7", ["first", "last", "share"]].tolist() == [500, 1000, 0.4]
    assert table.loc["7+5", "first"] != table.loc["7+5", "first"] and table.loc["7+5", "share"] == 0


def test_losses_that_cross_a_floor():
    """Six runs have 0, 3 and 1 sums right at losses 0.93, 0.83 and 0.73; a seventh diverged."""
    steps = pd.DataFrame({"iteration": [250, 500, 750], "loss": [0.93, 0.83, 0.73], "held_out_correct": [0, 3, 1]})
    runs = pd.DataFrame({"run": list("abcdef")})
    astray = pd.DataFrame({"run": ["g"], "iteration": 750, "loss": np.nan, "held_out_correct": 0})
    data = pd.concat([runs.merge(steps, how="cross"), astray], ignore_index=True).assign(width=28)
    row = dynamics.crossings(data, 0.77).iloc[0].tolist()
    assert row == ["n28", "6 of 7", "750", "3.0 at iteration 500", "0.9"]  # six with 1 and one with 0


def test_both_kinds_of_order_are_compared():
    data = pd.concat([cell("arithmetic", 14, "base", [4] * 5 + [0] * 5), cell("arithmetic", 14, "one order", [0] * 10)])
    (row,) = replication.orders(data).to_dict("records")
    assert (row["an order each"], row["the published order"]) == ("5 of 10; 2.00 ± 2.11", "0 of 10; 0.00 ± 0.00")
    assert float(row["p of the difference"]) == pytest.approx(intervals.fisher(5, 10, 0, 10), rel=0.05)


# The ten points, from real runs


def test_the_ten_points_from_the_stored_runs():
    store = Store("results")
    sweep = capacity.sweep(["arithmetic", "facts", "joint"], [14, 28, 56], seeds=1, iterations=30_000)
    found = store.runs(sweep["run"]).assign(variant="base")
    sums, facts = (store.items(found[found["task"] == task], [30_000]) for task in ("arithmetic", "facts"))
    said = points.numbers(found, store.curves(found), sums, facts)
    assert "nan" not in " ".join(said.values()) and said["alone"].startswith("n14 0 of 1, n28 ")
    # point 8, by counting: the results of the held-out sums are 12, -2 and 2, and each is also that of a seen one
    seen = {a + b for a, b in itertools.product(range(10), repeat=2) if {a, b} != {5, 7}}
    seen |= {a - b for a, b in itertools.product(range(10), repeat=2) if {a, b} != {5, 7}}
    assert said["results"].startswith(f"{len(seen & {12, -2, 2})} of the 3 held-out results")
    # point 4, by hand: prompts of more than 24 characters are those of countries with more than 10
    assert said["long"] == str(sum(len(country) > 10 for country in set(facts["prompt"])))


def test_the_papers_accuracies_count_91_prompts():
    """At 8 of 100 right, of which some have a right-hand 0, the paper's share is over the other 91."""
    run = Run("arithmetic", 14, 0)
    names = [p.name for p in run.corpus.prompts]
    asked = [n for n in names if n[1] == "+" and (n[2] != "0" or n == "0+0")]
    assert len(asked) == 91
    right = {"0+0", "3+0", "1+1", "2+2"}
    greedy = np.array([[name in right for name in names]])
    row = summarize(run, np.array([0]), np.array([1.0]), {"greedy": greedy, "sampled": greedy * 1.0}).iloc[0]
    assert row["addition"] == pytest.approx(100 * 3 / 91) and row["subtraction"] == 0
    assert row["score"] == pytest.approx(3 / 182)


def test_a_joint_checkpoint_needs_a_sum_and_a_fact():
    run = Run("joint", 14, 0)
    names = [p.name for p in run.corpus.prompts]
    greedy = np.array([[name in right for name in names] for right in ({"France"}, {"1+1"}, {"France", "1+1"})])
    scores = {"greedy": greedy, "sampled": greedy * 1.0}
    found = summarize(run, np.arange(3), np.ones(3), scores)["score"]
    assert found.tolist() == pytest.approx([0, 0, 2 / 232])


# The paper's numbers


def test_the_papers_numbers():
    table = paper.results().set_index(["task", "width", "variant"])
    assert len(table) == 24 and table["loss"].notna().all()
    sums = table.loc[("arithmetic", 14, "base")]
    assert (sums["addition"], sums["held_out_correct"], sums["seen_accuracy"]) == (100, 4, 1)
    assert sums["loss"] == pytest.approx(0.746, abs=5e-4)
    assert table.loc[("arithmetic", 56, "wd"), "held_out_correct"] == 0  # 97.8 %, the ceiling without the held-out pair
    assert table.loc[("joint", 28, "wd"), ["addition", "subtraction", "facts"]].tolist() == [96.3, 87.8, 90]
    assert np.isnan(table.loc[("joint", 28, "base"), "held_out_correct"])  # 94.5 % could miss any five
    assert table.loc[("facts", 14, "base"), "loss"] == pytest.approx(0.7240, abs=5e-4)
    curves = paper.curves()
    assert (curves.groupby(["task", "width", "variant"]).size() == 121).all()
    # at most what it reports, for it reports its best checkpoint, scored anew by ten samples a prompt
    best = curves.groupby(["task", "width", "variant"])[["addition", "subtraction"]].max().loc["arithmetic"]
    assert ((best - table.loc["arithmetic", ["addition", "subtraction"]]).abs() < 2.5).all(axis=None)


def test_the_papers_run_is_compared_with_the_range_of_ours():
    ours = curves(cell("arithmetic", 56, "base", [0] * 3)).assign(
        facts_accuracy=np.nan, loss=[0.9] * 3 + [0.5, 0.6, 0.7]
    )
    theirs = paper.curves().query("task == 'arithmetic' and width == 56 and variant == 'base'")
    table = replication.bands(ours, theirs, ["loss"]).set_index("iteration")
    assert table.loc[500, ["low", "high", "runs"]].tolist() == [0.5, 0.7, 3]
    outside = not 0.5 <= theirs.set_index("iteration").loc[500, "loss"] <= 0.7
    assert table.loc[500, "outside"] == outside


# Effects and other ways to count


def test_effects_and_other_ways_to_count():
    data = cell("arithmetic", 14, "base", [4, 3, 3, 1])
    rows = [
        (run, 14, name, i < n)
        for run, n in zip(data["run"], (4, 3, 3, 1), strict=True)
        for i, name in enumerate(replication.HELD_OUT)
    ]
    items = pd.DataFrame(rows, columns=["run", "width", "prompt", "greedy"])
    row = measures.effects(data, items).iloc[0]
    assert row[["correct", "all_four", "but_one", *replication.HELD_OUT]].tolist() == [2.75, 1, 3, 4, 3, 3, 1]
    assert (row["correct_low"], row["correct_high"]) == intervals.bootstrap([4, 3, 3, 1])
    facts = cell("facts", 14, "base", facts=[0.5, 1.0]).assign(seen_accuracy=np.nan)
    asked = pd.DataFrame(
        [(run, name, run == facts["run"].iloc[1]) for run in facts["run"] for name in ("France", "Japan")]
        + [(run, "USA", True) for run in facts["run"]], columns=["run", "prompt", "greedy"],
    )  # fmt: skip
    table = measures.recalled(facts, curves(facts), asked).set_index("way")
    assert table["mean"].to_dict() == {
        "registered": 0.75, "USA and UK left out": 0.5, "paper's checkpoint": 0.75, "lowest loss": 0.75,
    }  # fmt: skip


# The registration


def test_what_was_added_is_judged_from_its_times():
    runs = cell("arithmetic", 14, "base", [4, 3]).assign(seconds=60.0)
    for finished, said in (("2026-11-26T16:20:00Z", "none of the 2"), ("2026-11-26T16:16:00Z", "2 of the 2")):
        assert said in claims.added("grokking", runs.assign(finished=finished))
