"""Charts as outputs: the same for the same data, safe inside a page, told and offered as a file."""

import base64
import json
import re

import altair as alt
import pandas as pd
import pytest

from lib.book import render

TABLE = pd.DataFrame({"width": [14, 28], "loss": [0.74612345678, 1.0], "note": ["a</script>", "ü"]})


def chart(table: pd.DataFrame = TABLE) -> alt.Chart:
    return alt.Chart(table).mark_point().encode(x="width:Q", y="loss:Q", tooltip="note:N")


def test_the_same_chart_gives_the_same_output() -> None:
    first, second = (render.mimebundle(chart().to_dict()) for _ in range(2))
    assert first == second
    other = render.mimebundle(chart(TABLE.assign(loss=[1.0, 2.0])).to_dict())
    assert re.findall('id="(.*?)"', first["text/html"]) != re.findall('id="(.*?)"', other["text/html"])


def test_data_cannot_end_the_script() -> None:
    html = render.mimebundle(chart().to_dict())["text/html"]
    assert html.count("</script>") == 1
    spec = json.loads(re.search(r'\}\)\("chart-\w+", (.*)\);\n</script>', html)[1])
    (rows,) = spec["datasets"].values()
    assert [row["note"] for row in rows] == list(TABLE["note"])


def test_what_is_fetched_elsewhere_carries_its_hash() -> None:
    """Three scripts of the versions that Altair writes for, none without a hash, and nothing else from anywhere."""
    versions = {"vega": alt.VEGA_VERSION, "vega-lite": alt.VEGALITE_VERSION, "vega-embed": alt.VEGAEMBED_VERSION}
    for name, (script, digest) in zip(versions, render.ELSEWHERE.items(), strict=True):
        assert script.startswith(f"{name}@{versions[name]}") and re.fullmatch("[A-Za-z0-9+/]{64}", digest)
    html = render.mimebundle(chart().to_dict())["text/html"].split('("chart-')[0]
    assert html.count("https:") == 1 and 'integrity: "sha384-" + hash' in html and "import(" not in html


def test_a_picture_stands_in_the_charts_place() -> None:
    """With words for who does not see it."""
    text = render.mimebundle(chart().to_dict() | {"description": 'Two "points".'})["text/html"]
    pattern = r'<div class="chart" id="[^"]*"><img src="data:image/png;base64,(.*?)" alt="(.*?)"></div>'
    picture, said = re.search(pattern, text).groups()
    assert base64.b64decode(picture).startswith(b"\x89PNG") and said == "Two &quot;points&quot;."


def test_enable_shows_charts_the_books_way() -> None:
    with alt.renderers.enable("default"):
        render.enable()
        assert 'class="chart"' in chart()._repr_mimebundle_()["text/html"]


def test_figure_tells_the_runs_and_offers_the_data(tmp_path, monkeypatch, capsys) -> None:
    shown = []
    monkeypatch.setattr(render, "emit", lambda bundle, text: shown.append(bundle))
    monkeypatch.setenv(render.DATA, str(tmp_path))
    render.figure(chart(), TABLE, name="points", runs=runs(("a", 14, 0, "cpu")))
    assert "1 run (1 seed), trained on CPU." in shown[0]["text/html"]
    assert 'href="../_static/points.csv"' in shown[0]["text/html"]
    assert (tmp_path / "points.csv").read_text() == "width,loss,note\n14,0.746123,a</script>\n28,1,ü\n"


def test_a_figure_has_a_text_alternative_with_its_numbers() -> None:
    few = render.described(TABLE)
    assert few == "A chart of 2 rows: width 14, loss 0.7461, note a</script>; width 28, loss 1, note ü."
    many = pd.DataFrame(
        {"width": [14, 28] * 20, "iteration": range(0, 4000, 100), "share": [0.25] * 40, "all": [[1]] * 40}
    )
    assert render.described(many) == "A chart of 40 rows. width: 14, 28; iteration: 0 to 3900; share: 0.25."


def test_a_rerun_leaves_the_books_data_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv(render.DATA)
    monkeypatch.setattr(render, "BOOK", tmp_path / "book")
    assert render.save_data(TABLE, "points").resolve() == tmp_path / "_build" / "data" / "points.csv"
    assert not (tmp_path / "book").exists()


def test_saved_numbers(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(render.DATA, str(tmp_path))
    table = pd.DataFrame({"parameters": [10_631_808.0, float("nan")], "p": [1 / 3, 1e-9]})
    assert render.save_data(table, "numbers").read_text() == "parameters,p\n10631808,0.333333\n,1e-09\n"


def runs(*rows: tuple, task: str = "arithmetic") -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["run", "width", "seed", "device"]).assign(task=task)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (runs(), "There is no run to show here yet."),
        (runs(("a", 14, 0, "cpu")), "1 run (1 seed), trained on CPU."),
        (runs(("a", 14, 0, "cpu"), ("a", 14, 0, "cpu")), "1 run (1 seed), trained on CPU."),
        (
            runs(("a", 14, 0, "cpu"), ("b", 14, 1, "cpu"), ("c", 28, 0, "cpu"), ("d", 28, 1, "cpu")),
            "4 runs (2 widths, 2 seeds each), trained on CPU.",
        ),
        (
            runs(("a", 14, 0, "cpu"), ("b", 14, 1, "cpu"), ("c", 28, 0, "NVIDIA H200")),
            "3 runs (2 widths, 1 to 2 seeds each), trained on CPU (2), NVIDIA H200 (1).",
        ),
        (
            pd.concat([runs(("a", 14, 0, "cpu")), runs(("b", 14, 0, "cpu"), task="facts")]),
            "2 runs (2 tasks, 1 seed each), trained on CPU.",
        ),
        (  # seeds are counted within a variant
            runs(("a", 14, 0, "cpu"), ("b", 14, 0, "cpu"), ("c", 14, 1, "cpu")).assign(variant=["base", "wd", "wd"]),
            "3 runs (2 variants, 1 to 2 seeds each), trained on CPU.",
        ),
        (  # what each seed draws for itself, and the look that a run belongs to, tell no cells apart
            runs(*[(f"{width}{seed}", width, seed, "cpu") for width in (14, 28) for seed in (0, 1)]).assign(
                tests=["0,1", "2,3"] * 2, held_out=["0,1", "2,3"] * 2, look=[1, 1, 1, 2]
            ),
            "4 runs (2 widths, 2 seeds each), trained on CPU.",
        ),
        (  # a factor that no label explains, and one that goes with the width
            runs(*[(f"{width}{layers}", width, 0, "cpu") for width in (14, 28) for layers in (1, 2)]).assign(
                layers=[1, 2, 1, 2], learning_rate=[0.01, 0.01, 0.001, 0.001]
            ),
            "4 runs (2 widths, 2 depths, 1 seed each), trained on CPU.",
        ),
        (  # an order of the lines for every seed is no factor of its own; a label that some runs lack is one
            runs(("a", 14, 0, "cpu"), ("b", 14, 1, "cpu"), ("c", 14, 0, "cpu"), ("d", 14, 1, "cpu")).assign(
                line_order=[0, 1, 0, 1], pair=["5,7", "5,7", None, None]
            ),
            "4 runs (2 pairs, 2 seeds each), trained on CPU.",
        ),
    ],
)
def test_note(table: pd.DataFrame, sentence: str) -> None:
    assert render.note(table) == sentence
