"""Charts: each builds, is the same each time, has tooltips, stays small, and can be drawn in both themes."""

import json
import re
from collections.abc import Callable, Iterator

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert

from lib import charts
from lib.book import chapter, render
from lib.charts.curves import curve_rows
from lib.charts.style import HELD_OUT, PUBLISHED, READ, RIGHT, STEPS, UNDECIDED, Groups, crossed, size_colour
from lib.errors import NONE, UserError
from lib.stats import words

WIDTHS, ITERATIONS = (14, 28, 56, 384), range(0, 30001, 250)
PAGES = {"#ffffff": charts.LIGHT, "#121212": charts.DARK}  # what stands behind a chart, and its theme
VEGA_LITE = "_".join(alt.VEGALITE_VERSION.split(".")[:2])


@pytest.fixture(autouse=True)
def theme() -> None:
    charts.theme()


def curves(widths: tuple[int, ...] = WIDTHS, seeds: int = 4, iterations: range = ITERATIONS) -> pd.DataFrame:
    table = pd.MultiIndex.from_product([widths, range(seeds), iterations], names=["width", "seed", "iteration"])
    table = table.to_frame(index=False)
    learnt = 1 - np.exp(-table["iteration"] / (2000 + 100 * table["seed"]))
    return table.assign(
        run=[f"{w}-{s}" for w, s in zip(table["width"], table["seed"], strict=True)],
        seen_accuracy=learnt,
        held_out_correct=(4 * learnt).round() * (table["width"] < 20),
        facts_accuracy=learnt * 0.98,
        loss=3 - 2.3 * learnt + table["width"] / 1e4,
    )


def items(widths: tuple[int, ...] = WIDTHS, seeds: int = 3, iterations: range = ITERATIONS) -> pd.DataFrame:
    prompts = pd.DataFrame(
        [(f"{a}{o}{b}", a, o, b, eval(f"{a}{o}{b}")) for o in "+-" for a in range(10) for b in range(10)],
        columns=["prompt", "left", "operation", "right", "answer"],
    )
    hidden = (prompts["left"] + prompts["right"] == 12) & ((prompts["left"] - prompts["right"]).abs() == 2)
    prompts["group"] = np.where(hidden, "held out", "seen")
    facts = pd.DataFrame({"prompt": [f"Country {i}" for i in range(50)], "answer": "Paris", "group": "fact"})
    runs = pd.MultiIndex.from_product([widths, range(seeds), iterations], names=["width", "seed", "iteration"])
    table = runs.to_frame(index=False).merge(pd.concat([prompts, facts]).astype({"answer": str}), how="cross")
    return table.assign(greedy=np.random.default_rng(0).random(len(table)) < table["iteration"] / 30000)


def published() -> pd.DataFrame:
    return pd.DataFrame({"width": WIDTHS, "held_out_correct": [4, 0, 0, 0], "loss": [0.746, 0.605, 0.535, 0.532]})


def strips() -> pd.DataFrame:
    names = {"task": ["facts", "arithmetic"], "width": WIDTHS, "variant": ["base", "wd"], "seed": range(100)}
    names["rule"] = ["final", "best checkpoint", "lowest loss"]
    table = pd.MultiIndex.from_product(names.values(), names=names.keys()).to_frame(index=False)
    return table.assign(success=table["seed"] % 3 == 0, low=0.2, high=0.5)


def verdicts() -> pd.DataFrame:
    rows = [
        ("C1 n14", "base", 0.5, 0.3, 0.7, 0.5, "unresolved", 20),
        ("C4 n56", "base", 0, 0, 0.05, 0.1, "replicated", 72),
    ]
    rows += [("C1 n14", "wd", 0.4, 0.2, 0.45, 0.5, "not replicated", 20)]
    names = ["label", "group", "estimate", "low", "high", "threshold", "verdict", "runs"]
    return pd.DataFrame(rows, columns=names)


def numbers() -> pd.DataFrame:
    names = {"measure": ["addition (%)", "final loss"], "cell": ["sums, n14, base", "both, n14, wd"]}
    table = pd.MultiIndex.from_product(names.values(), names=names.keys()).to_frame(index=False)
    places = ["inside", "outside", "no interval", "inside"]
    return table.assign(low=[1.0, 2, None, 0], mean=2.0, high=[3.0, 4, None, 5], runs=5, published=2.0, place=places)


def bands() -> pd.DataFrame:
    names = {"task": ["arithmetic", "facts"], "variant": ["base", "wd"], "width": WIDTHS, "measure": ["loss"]}
    table = pd.MultiIndex.from_product([*names.values(), range(0, 30001, 500)], names=[*names, "iteration"])
    return table.to_frame(index=False).assign(low=0.5, high=2.5, runs=20, published=1.0)


def speeds() -> pd.DataFrame:
    rows = [("n14", "public code", 4.2, 3.9, 4.8), ("n14", "eager", 2.1, 1.9, 2.4), ("n56", "eager", 0.9, 0.8, 1.1)]
    return pd.DataFrame(rows, columns=["what", "against", "ratio", "low", "high"])


def scales() -> pd.DataFrame:
    table = pd.DataFrame({"at": [1, 2, 4, 8], "updates": [9.0, 4, 2, 1], "low": [8.0, 3, 2, 1], "high": [9.0, 5, 3, 1]})
    return pd.concat([table.assign(axis=axis, ideal=[16.0, 8, 4, 2]) for axis in ("cores", "width")])


def shares() -> pd.DataFrame:
    table = pd.MultiIndex.from_product([WIDTHS, range(100, 30_001, 100)], names=["width", "iteration"])
    return table.to_frame(index=False).assign(share=lambda x: 0.5 + x["width"] / 1e4, runs=44)


TEXT = "".join(f"<{a}+{b}={a + b}>".ljust(8) + "\n" for a in range(10) for b in range(10))
BUILD: dict[str, Callable[[], alt.TopLevelMixin]] = {
    "grid": lambda: charts.grid(items((14,), 1, range(1)).query("group != 'fact'")),
    "windows": lambda: charts.windows(TEXT, 9),
    "curve": lambda: charts.learning_curves(curves(), "facts_accuracy"),
    "curves": lambda: charts.learning_curves(curves(), ["seen_accuracy", "held_out_correct", "loss"], published()),
    "one run": lambda: charts.learning_curves(curves((10,), 1), ["seen_accuracy", "loss"]),
    "items": lambda: charts.item_grid(items()),
    "items at the end": lambda: charts.item_grid(items((10, 20), 1, range(500, 501))),
    "facts": lambda: charts.fact_grid(items()),
    "raster": lambda: charts.raster(items(seeds=8)),
    "strips": lambda: charts.seed_strips(strips()),
    "published": lambda: charts.predicted(numbers(), "cell"),
    "forest": lambda: charts.forest(verdicts(), "share"),
    "bands": lambda: charts.paper_bands(bands()),
    "speed": lambda: charts.speed_bars(speeds()),
    "fan": lambda: charts.fan(shares(), "Larger ones lose it", "here"),
    "scaling": lambda: charts.scaling(scales(), {"cores": "cores", "width": "width"}),
}


def by_layers(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a depth in the place of each width, the deepest first."""
    return table.assign(layers=table["width"].map(dict(zip(WIDTHS, (12, 6, 2, 1), strict=True)))).drop(columns="width")


LAYERS: dict[str, Callable[[], alt.TopLevelMixin]] = {
    "curves": lambda: charts.learning_curves(
        by_layers(curves()), ["seen_accuracy", "loss"], by_layers(published()), "layers"
    ),
    "items": lambda: charts.item_grid(by_layers(items()), "layers"),
    "facts": lambda: charts.fact_grid(by_layers(items()), "layers"),
    "raster": lambda: charts.raster(by_layers(items()), "layers"),
    "strips": lambda: charts.seed_strips(by_layers(strips()), "layers"),
    "bands": lambda: charts.paper_bands(by_layers(bands()), "layers"),
}


def inside(spec: object, key: str) -> Iterator[object]:
    """Every value that stands under `key`, at any depth."""
    for k, v in spec.items() if isinstance(spec, dict) else enumerate(spec) if isinstance(spec, list) else ():
        if k == key:
            yield v
        yield from inside(v, key)


@pytest.mark.parametrize("name", BUILD)
def test_chart(name: str) -> None:
    spec = BUILD[name]().to_dict()  # validates
    assert spec == BUILD[name]().to_dict()
    assert len(json.dumps(spec)) < 600_000
    assert any(inside(spec, "tooltip"))
    assert "config" not in spec  # the page decides
    for parameter in inside(spec, "params"):
        assert not any(p["name"].startswith("param_") for p in parameter)
    assert vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, config=charts.DARK)[:4] == b"\x89PNG"
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, config=charts.LIGHT)
    assert float(svg.split('width="')[1].split('"')[0]) <= 720  # the page's column


def test_curve_rows_are_the_mean_and_the_quartiles_of_all_runs() -> None:
    table = curves((14,), 25, range(0, 30001, 100))
    rows = curve_rows(table, "loss", "width")
    last, there = rows.iloc[-1], table[table["iteration"] == 30000]["loss"]
    assert len(rows) <= STEPS + 1
    assert (last["iteration"], last["runs"]) == (30000, 25)
    assert last["mean"] == pytest.approx(there.mean(), rel=1e-12)
    assert (last["low"], last["high"]) == (sorted(there)[6], sorted(there)[18])  # of 25, the 7th and the 19th


def test_a_facet_has_a_panel_for_every_combination() -> None:
    table = pd.DataFrame({"row": ["a", "b", "b"], "column": ["x", "x", "y"], "at": [[1, 2], [3], [4]], "n": [1, 2, 3]})
    full = crossed(table, "row", "column").set_index(["row", "column"])
    assert full["at"].tolist() == [[1, 2], [None], [3], [4]]
    assert full["n"].isna().tolist() == [False, True, False, False]
    missing = strips().query("not (task == 'facts' and variant == 'wd' and width == 14)")
    svg = vl_convert.vegalite_to_svg(charts.seed_strips(missing).to_dict(), vl_version=VEGA_LITE, config=charts.LIGHT)
    assert len(re.findall(">34 of 100: ", svg)) == 2 * len(WIDTHS) * 2 - 1


def test_names_at_the_ends_of_lines_do_not_lie_on_each_other() -> None:
    spec = charts.fan(shares(), "title").to_dict()
    data = {layer["mark"]["type"]: spec["datasets"][layer["data"]["name"]] for layer in spec["layer"]}
    places = sorted(row["place"] for row in data["text"])
    assert len(places) == len(WIDTHS) and min(np.diff(places)) >= 0.045 - 1e-9
    shown = {row["iteration"] for row in data["line"]}
    assert {100, 30_000} <= shown and len(shown) <= STEPS


def test_item_grid_gives_the_share_of_runs_at_the_slider() -> None:
    table = items((14,), 4, range(0, 1001, 250))
    spec = charts.item_grid(table).to_dict()
    rows = next(iter(spec["datasets"].values()))
    row = next(r for r in rows if (r["left"], r["operation"], r["right"]) == (5, "+", 7))
    right = table[table["prompt"] == "5+7"].groupby("iteration")["greedy"].mean()
    assert row["shares"] == (100 * right).round().tolist()
    (slider,) = spec["params"]
    assert slider["value"] == 1000
    assert slider["bind"] == {"input": "range", "name": "iteration ", "min": 0, "max": 1000, "step": 250}


def test_a_share_is_missing_where_there_is_no_run() -> None:
    table = pd.concat([items((14,), 1, range(0, 1001, 250)), items((28,), 1, range(0, 501, 250))])
    rows = next(iter(charts.fact_grid(table).to_dict()["datasets"].values()))
    assert {r["size"]: r["shares"][-2:] == [None, None] for r in rows} == {"n14": False, "n28": True}


def test_raster_spans_are_the_answers() -> None:
    table = items((14,), 1, range(0, 2001, 250)).query("prompt == '5+7'")
    table["greedy"] = [False, True, True, False, False, True, False, False, True]
    (row,) = next(iter(charts.raster(table).to_dict()["datasets"].values()))
    assert row["from"] == [0, 250, 750, 1250, 1500, 2000]
    assert row["until"] == [250, 750, 1250, 1500, 2000, 2250]
    assert row["right"] == [0, 1, 0, 1, 0, 1]
    assert row["share"] == pytest.approx(4 / 9, abs=1e-4)


def contrast(front: str, back: str) -> float:
    """The contrast of two colours by WCAG; a front that can be seen through is laid on its back."""

    def luminance(colour: np.ndarray) -> float:
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    (*rgb, opacity), (*behind, _) = (
        [float(part) for part in re.findall(r"[\d.]+", colour)]
        if colour.startswith("rgba")
        else [*(int(colour[i : i + 2], 16) for i in (1, 3, 5)), 1]
        for colour in (front, back)
    )
    laid = opacity * np.array(rgb) + (1 - opacity) * np.array(behind)
    dark, light = sorted(luminance(colour / 255) for colour in (laid, np.array(behind)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("page", "theme"), PAGES.items())
def test_marks_and_words_stand_out_from_both_pages(page: str, theme: dict) -> None:
    """WRONG is no mark but the ground that those of success stand on, and so is the lower end of a ramp."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    sizes = {size_colour(width) for width in range(4, 1537)}
    for colour in (*sizes, RIGHT, HELD_OUT, UNDECIDED, theme["rule"]["color"], theme["range"]["ramp"][-1]):
        assert contrast(colour, page) >= 3, colour
    inks = [value for part in ("title", "axis", "header", "legend") for value in theme[part].items()]
    for name, colour in (*inks, *theme["text"].items()):
        if name in ("color", "subtitleColor", "labelColor", "titleColor"):
            assert contrast(colour, page) >= 4.5, name
    for fill in READ:  # they lie between the page and the text on them
        assert contrast(fill, page) < contrast(theme["text"]["color"], page) / 4.5, fill


def test_colours_of_sizes_are_fixed() -> None:
    assert {w: size_colour(w) for w in WIDTHS} == PUBLISHED
    assert [words.size_name(w) for w in (14, 20, 384)] == ["n14", "n20", "MLT"]
    colours = Groups("width", [10, 14, 384]).marks("colour")
    assert colours[1:] == [PUBLISHED[14], PUBLISHED[384]]
    assert len(set(colours)) == 3


@pytest.mark.parametrize("name", LAYERS)
def test_models_are_told_apart_by_any_column(name: str) -> None:
    spec = LAYERS[name]().to_dict()
    text = json.dumps(spec)
    assert not any(word in text for word in ("n14", "MLT", '"field": "size"', '"size": "'))
    scales = [channel for key in ("y", "x", "row", "column", "color") for channel in inside(spec, key)]
    named = [c for c in scales if isinstance(c, dict) and c.get("field") == "layers"]
    orders = [channel.get("sort") or channel["scale"]["domain"] for channel in named]
    assert orders and all(order == ["1", "2", "6", "12"] for order in orders)
    titles = {tip["title"] for tooltip in inside(spec, "tooltip") if isinstance(tooltip, list) for tip in tooltip}
    assert "layers" in titles
    assert vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, config=charts.LIGHT)[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    "chart", [charts.item_grid, charts.raster, lambda t, by: charts.learning_curves(t, "loss", by=by)]
)
def test_runs_that_differ_in_something_else_are_not_mixed(chart: Callable) -> None:
    table = items((14, 28), 1, range(0, 501, 250)).query("group == 'held out'").assign(loss=1.0, layers=1)
    with pytest.raises(UserError, match="by is 'layers', but it must tell the runs apart"):
        chart(table, by="layers")


@pytest.mark.parametrize("make", [lambda: charts.forest(verdicts()[:0], "all"), lambda: charts.fan(shares()[:0], "")])
def test_a_chart_that_has_nothing_to_show_says_so_in_its_place(make: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else becomes a sentence."""
    said: list[str] = []
    monkeypatch.setattr(render, "emit", lambda what, text, metadata=None: said.append(text))
    runs = pd.DataFrame({"run": ["a"]})
    chapter.figure("figure", runs, lambda: (make(), runs))
    chapter.tell(runs, lambda: str(make()))
    assert said == [NONE] * 2
    with pytest.raises(ZeroDivisionError):
        chapter.figure("figure", runs, lambda: 1 / 0)


def test_no_published_value_stands_beside_sizes_that_the_paper_does_not_have() -> None:
    """As in the README's own line of papermill."""
    found = charts.learning_curves(curves((10, 20)), ["held_out_correct", "loss"], published()).to_dict()
    assert "diamond" not in json.dumps(found)
    assert "diamond" in json.dumps(charts.learning_curves(curves((10, 14)), ["loss"], published()).to_dict())
