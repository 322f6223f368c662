"""Verdicts and tables from small made-up runs whose counts are known."""

import itertools

import numpy as np
import pandas as pd
import pytest

from lib import claims, experiments, points, registered, report, stats
from lib.experiments import published_results
from lib.run import Run
from lib.store import Store


def cell(task, width, variant, held_out=(), facts=(), seen=1.0):
    """Runs of one cell, a seed each."""
    size = max(len(held_out), len(facts))
    pad = lambda values: list(values) or [np.nan] * size  # noqa: E731
    table = pd.DataFrame({"seed": range(size), "held_out_correct": pad(held_out), "facts_accuracy": pad(facts)})
    table["run"] = [f"{task}{width}{variant}{seed}" for seed in range(size)]
    return table.assign(task=task, width=width, variant=variant, seen_accuracy=seen if held_out else np.nan, loss=0.5)


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
    found = verdicts(claims.judge(runs(), published_results()))
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
        found = verdicts(claims.judge(runs(n14, n56, of), published_results()), variant)
        assert (found[("C1", "arithmetic", 14)], found[("C4", "arithmetic", 56)]) == (small, large)


def test_the_primary_family_has_twelve_members_and_missing_ones_count():
    gaps = claims.trade_offs(runs(n14=36))
    assert len(gaps) == 12 and gaps["p"].isna().sum() == 4  # MLT, two outcomes, two variants
    sums = gaps[(gaps["task"] == "arithmetic") & (gaps["width"] == 56)].iloc[0]
    assert sums["estimate"] == 0.9 and sums["verdict"] == "replicated"
    assert sums["p"] == pytest.approx(stats.fisher(36, 40, 0, 40))
    least = gaps["p"].min()
    assert gaps.loc[gaps["p"] == least, "adjusted"].iloc[0] == pytest.approx(12 * least)
    text = report.differences(gaps)
    assert "n14 extrapolates more often than n56 (by 90 points, " in text and "n28 recalls more than n14 (by 94" in text
    assert report.differences(claims.trade_offs(runs(n14=0, n56=0, of=3)).query("task == 'arithmetic'")) == ""
    recall = gaps[(gaps["task"] == "facts") & (gaps["width"] == 28)].iloc[0]
    assert recall["estimate"] == pytest.approx(0.94) and recall["verdict"] == "replicated"


def test_the_verdict_table_has_every_claim_and_the_worst_of_its_verdicts():
    data = runs(n56=20)
    table = report.claim_table(claims.judge(data, published_results()), claims.trade_offs(data))
    text = "\n".join(table["claim"])
    assert all(f">{claim}</a>" in text for claim in report.WORDS if claim != "C8")
    heads = {row.split(">")[1][:2]: row for row in table["claim"] if "</a>" in row}
    assert "not replicated" in heads["C4"]  # although MLT is missing
    assert "missing" in heads["C3"]
    empty = report.claim_table(claims.judge(data.head(0), published_results()), claims.trade_offs(data.head(0)))
    assert set(empty["verdict"]) == {"·\u00a0missing"} and len(empty) == len(table)


def test_the_summary_says_each_cell_once():
    data = runs(n14=40, n56=20)
    judged = claims.judge(data, published_results())
    stands, fails, is_open = report.summary(judged).splitlines()
    assert "n14 extrapolates (C1: 40 of 40 runs)" in stands and "C1" not in fails + is_open
    assert "n56 does not extrapolate (C4: 20 of 40 runs)" in fails
    assert "MLT does not extrapolate (C4)" in is_open


def test_cells_are_counted_against_the_protocol():
    data = runs(of=20)
    text = report.provisional(data)
    assert (
        text.startswith("18 of the protocol's 24 cells")
        and "No run yet: arithmetic (MLT), joint (MLT), facts (MLT)." in text
    )
    assert "Provisional" not in text
    few = "Provisional are the verdicts on arithmetic (n14 3 of 20, n28 3 of 20, n56 3 of 20), joint (n14 3 of 8"
    assert few in report.provisional(runs(0, 0, 3))
    table = report.counts(data).set_index(["task", "size"])
    assert table.loc[("joint", "n28"), ["base", "wd", "one order", "least"]].tolist() == ["20", "20", "–", "8"]


def test_the_trend_is_that_of_the_counts():
    found = claims.trends(runs(n14=30, n56=2)).set_index("variant")
    sizes = [Run("arithmetic", width, 0).architecture.parameters() for width in (14, 28, 56)]
    z, p = stats.cochran_armitage([30, 0, 2], [40, 40, 40], sizes)
    assert found.loc["base", "z"] == z and found.loc["wd", "p"] == p


def test_tiny_p_values_are_not_told_apart():
    assert [report.p_value(p) for p in (1.0, 0.0123, 1e-4, 9.9e-5, 0.0)] == ["1", "0.012", "0.0001", *["<0.0001"] * 2]


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
    table = registered.cells(curves(data)).set_index(["task", "size", "variant"])
    row = table.loc[("arithmetic", "n14", "base")]
    assert (row["final"][:8], row["best checkpoint"][:8], row["lowest loss"][:8]) == (
        "10 of 20",
        "20 of 20",
        "10 of 20",
    )
    assert table.loc[("facts", "n14", "wd"), "final"].startswith("5.0 %")
    strips = registered.strips(curves(data))
    assert len(strips) == 3 * len(data)
    one = strips[(strips["task"] == "arithmetic") & (strips["width"] == 14) & (strips["rule"] == "final")]
    assert one.groupby("variant")["success"].sum().to_dict() == {"base": 10, "wd": 10}
    assert one[["low", "high"]].iloc[0].tolist() == pytest.approx(stats.wilson(10, 20))


def test_pairs_are_by_seed():
    base = cell("arithmetic", 14, "base", [4, 4, 3, 3, 4])
    decayed = cell("arithmetic", 14, "wd", [4, 3, 4, 3, 2]).assign(
        seed=[0, 1, 2, 3, 7]
    )  # seeds 4 and 7 have no partner
    row = registered.paired(pd.concat([base, decayed])).iloc[0]
    assert row[["pairs", "both", "only without", "only with", "neither"]].tolist() == [4, 1, 1, 1, 1]
    assert row["p"] == 1 and row["difference"] == 0


def test_published_numbers_are_rounded():
    """97.8 is 89 of 91: a run of ours with 97.802 is the same."""
    data = curves(cell("arithmetic", 56, "base", [0] * 5)).assign(addition=100 * 89 / 91, subtraction=50.0)
    table = registered.compared(data, published_results()).set_index("measure")
    assert table.loc["addition (%)", "inside"] == "yes" and table.loc["subtraction (%)", "inside"] == "**no**"
    assert table.loc["final loss", "inside"] == "**no**"  # ours is 0.5 in each run


def test_spans_of_held_out_sums():
    rows = [("a", 14, 0, i, "5+7", "held out", i in (500, 1000)) for i in (0, 500, 750, 1000, 1250)]
    rows += [("a", 14, 0, i, "7+5", "held out", False) for i in (0, 500)]
    names = ["run", "width", "seed", "iteration", "prompt", "group", "greedy"]
    table = registered.spans(pd.DataFrame(rows, columns=names)).set_index("prompt")
    assert table.loc["5+7", ["first", "last", "share"]].tolist() == [500, 1000, 0.4]
    assert table.loc["7+5", "first"] != table.loc["7+5", "first"] and table.loc["7+5", "share"] == 0


def test_held_out_sums_are_counted_by_loss():
    """Six runs have 0, 3 and 1 sums right at losses 0.93, 0.83 and 0.73; one is twice in a bin, a seventh diverged."""
    steps = pd.DataFrame({"iteration": [250, 500, 750], "loss": [0.93, 0.83, 0.73], "held_out_correct": [0, 3, 1]})
    runs = pd.DataFrame({"run": list("abcdef")})
    again = pd.DataFrame({"run": ["a"], "iteration": 600, "loss": 0.835, "held_out_correct": 0})
    astray = pd.DataFrame({"run": ["g"], "iteration": 750, "loss": np.nan, "held_out_correct": 0})
    data = pd.concat([runs.merge(steps, how="cross"), again, astray], ignore_index=True)
    data = data.assign(width=28, variant="base")
    table = registered.by_loss(data).set_index("loss")
    assert table["runs"].tolist() == [6, 6, 6] and table.index.tolist() == [0.73, 0.83, 0.93]
    assert table["mean"].tolist() == pytest.approx([1, (1.5 + 5 * 3) / 6, 0])  # the run a counts once, with 3 and 0
    assert (table["low"] <= table["mean"]).all() and (table["mean"] <= table["high"]).all()
    text = registered.crossings(data, 0.77)
    assert text.startswith("- **n28**: 6 of 7 runs come below the upper floor, first at iteration 750 (median).")
    assert "3.0 of 4 at iteration 500" in text and "0.9 at the end" in text  # six with 1 and one with 0
    few = registered.by_loss(data[data["run"].isin(list("abcd"))])
    assert few.empty


def test_both_kinds_of_order_are_compared():
    data = pd.concat([cell("arithmetic", 14, "base", [4] * 5 + [0] * 5), cell("arithmetic", 14, "one order", [0] * 10)])
    table = registered.orders(data)
    assert table["all four right"].tolist() == ["5 of 10", "0 of 10"]
    assert float(table["p of the difference"].iloc[0]) == pytest.approx(stats.fisher(5, 10, 0, 10), rel=0.05)


# The ten points, from real runs


def test_the_ten_points_from_the_stored_runs():
    store = Store("results")
    sweep = experiments.sweep(["arithmetic", "facts", "joint"], [14, 28, 56], 1, 30_000)
    found = store.runs(sweep["run"]).assign(variant="base")
    sums, facts = (store.items(found[found["task"] == task], [30_000]) for task in ("arithmetic", "facts"))
    lines = points.listed(found, store.curves(found), sums, facts).splitlines()
    assert [line.split(". ")[0] for line in lines] == [str(i) for i in range(1, 11)]
    assert "nan" not in " ".join(lines)
    # point 8, by counting: the results of the held-out sums are 12, -2 and 2, and each is also that of a seen one
    seen = {a + b for a, b in itertools.product(range(10), repeat=2) if {a, b} != {5, 7}}
    seen |= {a - b for a, b in itertools.product(range(10), repeat=2) if {a, b} != {5, 7}}
    assert f"{len(seen & {12, -2, 2})} of the 3 held-out results" in lines[7]
    empty = points.listed(found.head(0), store.curves(found).head(0), sums.head(0), facts.head(0))
    assert empty.count("no run yet") >= 5 and "nan" not in empty


def test_the_papers_accuracies_count_91_prompts():
    """At 8 of 100 right, of which some have a right-hand 0, the paper's share is over the other 91."""
    run = Run("arithmetic", 14, 0)
    names = [p.name for p in run.corpus.prompts]
    asked = [n for n in names if n[1] == "+" and (n[2] != "0" or n == "0+0")]
    assert len(asked) == 91
    right = {"0+0", "3+0", "1+1", "2+2"}
    greedy = np.array([[name in right for name in names]])
    from lib.store import summarize

    row = summarize(run, np.array([0]), np.array([1.0]), {"greedy": greedy, "sampled": greedy * 1.0}).iloc[0]
    assert row["addition"] == pytest.approx(100 * 3 / 91) and row["subtraction"] == 0
