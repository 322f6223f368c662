"""Single expressions, countries and characters: what is asked, and which runs answer it right."""

import math

import altair as alt
import numpy as np
import pandas as pd

from lib.charts.style import (
    GAPS,
    HELD_OUT,
    HOVER,
    LEFT,
    PLAIN,
    READ,
    RIGHT,
    STEPS,
    THOUSANDS,
    WRONG,
    Groups,
    crossed,
    data,
    one_run_each,
    tips,
)

_SHARE = "runs that answer right (%)"
_SHARES = alt.Color("share:Q", title=_SHARE, scale=alt.Scale(domain=[0, 100]), legend=alt.Legend(values=[0, 50, 100]))
_NOW = alt.Title(alt.expr("'after ' + format(iteration, ',') + ' iterations'"))


def _at_steps(items: pd.DataFrame, groups: Groups, keys: list[str]) -> tuple[pd.DataFrame, alt.Parameter, str]:
    """One row a group and `keys` with the percentage of right runs at each step; a slider; what it points at."""
    keys = [groups.by, *keys]
    one_run_each(items, [*keys, "seed", "iteration"])
    share = items.groupby([*keys, "iteration"], sort=False)["greedy"].mean().mul(100).round().unstack("iteration")
    found = np.sort(share.columns.to_numpy(dtype=int))
    gap = int(np.diff(found).min(initial=found[-1] - found[0] or 1))
    gap *= max(1, math.ceil((found[-1] - found[0]) / gap / STEPS))
    steps = np.arange(found[-1], found[0] - 1, -gap)[::-1]
    share = share.sort_index(axis=1).reindex(columns=steps, method="ffill")
    rows = items.groupby(keys, sort=False)["seed"].nunique().rename("runs").to_frame()
    rows["shares"] = [[None if math.isnan(v) else int(v) for v in row] for row in share.loc[rows.index].to_numpy()]
    bind = alt.binding_range(min=int(steps[0]), max=int(steps[-1]), step=gap, name="iteration ")
    slider = alt.param(name="iteration", value=int(steps[-1]), bind=bind)
    pointed_at = f"datum.shares[round((iteration - {steps[0]}) / {gap})]"
    return groups.named(rows.reset_index()), slider, pointed_at


def grid(table: pd.DataFrame) -> alt.TopLevelMixin:
    """The addition and the subtraction tables, with the held-out cells marked.

    Pointing at a cell shows all cells with the same result.

    Parameters
    ----------
    table : one row an expression: `left`, `right` (0..9), `operation` ("+" or "-"), `answer`, `group` ("seen" or
        "held out").
    """
    rows = table[["left", "right", "operation", "answer", "group"]].astype({"left": int, "right": int, "answer": int})
    same = alt.selection_point(name="same", fields=["operation", "answer"], empty=False, **HOVER)
    groups = alt.Scale(domain=["seen", "held out"], range=[READ[2], READ[1]])
    base = alt.Chart().encode(
        x=alt.X("right:O", title="right-hand digit", scale=GAPS, axis=alt.Axis(**PLAIN)),
        y=alt.Y("left:O", title="left-hand digit", scale=GAPS, axis=alt.Axis(**PLAIN)),
        tooltip=tips("left", "operation", "right", "answer", "group"),
    )
    colour = alt.when(same).then(alt.value(READ[0])).otherwise(alt.Color("group:N", title=None, scale=groups))
    numbers = base.mark_text(fontSize=12).encode(text="answer:Q")
    panel = alt.layer(base.mark_rect().encode(color=colour).add_params(same), numbers, data=data(rows))
    names = alt.Header(labelExpr="{'+': 'addition: left + right', '-': 'subtraction: left − right'}[datum.value]")
    operation = alt.Column("operation:N", sort=["+", "-"], title=None, header=names)
    return panel.properties(width=alt.Step(28), height=alt.Step(24)).facet(column=operation, spacing=28)


def windows(text: str, context: int) -> alt.TopLevelMixin:
    """The first 144 characters of a text, and those that a training window at a chosen offset covers.

    Parameters
    ----------
    text : the stream that is trained on.
    context : how many characters a model reads; a window has one more, which it only predicts.
    """
    marks = {"\n": "↵", " ": "·"}
    rows = pd.DataFrame([{"place": i, "character": marks.get(c, c)} for i, c in enumerate(text[:144])])
    last = len(rows) - context - 1
    offset = alt.param(name="offset", value=5, bind=alt.binding_range(min=0, max=last, step=1, name="offset "))
    base = alt.Chart(data(rows)).encode(
        x=alt.X("column:O", axis=None, scale=GAPS),
        y=alt.Y("row:O", axis=None, scale=GAPS),
        tooltip=tips("place=place in the text", "character", "role"),
    )
    role = f"datum.place === offset + {context} ? 'only predicted' : 'read'"
    outside = f"datum.place < offset || datum.place > offset + {context} ? 'not in the window' : {role}"
    base = base.transform_calculate(role=outside, column="datum.place % 36", row="floor(datum.place / 36)")
    roles = alt.Scale(domain=["read", "only predicted", "not in the window"], range=READ)
    cells = base.mark_rect().encode(color=alt.Color("role:N", title=None, scale=roles))
    mono = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
    letters = base.mark_text(font=mono, fontSize=13).encode(text="character:N")
    title = alt.Title(alt.expr(f"'the window of {context + 1} characters at offset ' + offset"))
    chart = alt.layer(cells, letters, title=title).add_params(offset)
    return chart.properties(width=alt.Step(18), height=alt.Step(24))


def item_grid(items: pd.DataFrame, by: str = "width") -> alt.TopLevelMixin:
    """The addition and subtraction tables of each group: the share of runs that answer right, over iterations.

    Parameters
    ----------
    items : one row a run, iteration and expression: `by`, `seed`, `iteration`, `operation`, `left`, `right`,
        `answer`, `group` ("seen", "held out"), `greedy` (is the greedy answer right). Facts are left out.
    by : the column that tells the models apart (see `style.Groups`).
    """
    items = items[items["group"] != "fact"].astype({"left": int, "right": int})
    groups = Groups.of(items, by)
    rows, slider, share = _at_steps(items, groups, ["operation", "left", "right", "answer", "group"])
    marked = alt.Legend(title=None, values=["held out"], symbolType="square", symbolFillColor="transparent")
    edges = alt.Scale(domain=["seen", "held out"], range=["transparent", HELD_OUT])
    cells = alt.Chart(data(rows)).transform_calculate(share=share).mark_rect(strokeWidth=2)
    cells = cells.encode(
        x=alt.X("right:O", title="right digit", scale=GAPS, axis=alt.Axis(**PLAIN)),
        y=alt.Y("left:O", title="left digit", scale=GAPS, axis=alt.Axis(**PLAIN)),
        color=_SHARES,
        stroke=alt.Stroke("group:N", scale=edges, legend=marked),
        tooltip=tips(groups.tip, "left", "operation", "right", "answer", "group", f"share={_SHARE}", "runs"),
    )
    side = alt.Step(max(12, min(20, 58 // len(groups.names))))
    names = alt.Header(labelExpr="{'+': 'addition', '-': 'subtraction'}[datum.value]")
    operation = alt.Row("operation:N", sort=["+", "-"], title=None, header=names)
    chart = cells.properties(width=side, height=side).facet(row=operation, column=groups.across(), spacing=10)
    return chart.add_params(slider).properties(title=_NOW)


def fact_grid(items: pd.DataFrame, by: str = "width") -> alt.TopLevelMixin:
    """Every capital and group: the share of runs that recall it, over iterations; countries in the order of the table.

    Parameters
    ----------
    items : one row a run, iteration and country: `by`, `seed`, `iteration`, `prompt` (the country), `answer`,
        `group`, `greedy` (is the greedy answer right). Groups other than "fact" are left out.
    by : the column that tells the models apart (see `style.Groups`).
    """
    items = items[items["group"] == "fact"]
    groups, countries = Groups.of(items, by), list(items["prompt"].unique())
    rows, slider, share = _at_steps(items, groups, ["prompt", "answer"])
    rows["half"] = [2 * countries.index(c) // len(countries) for c in rows["prompt"]]
    top = alt.Axis(orient="top", **PLAIN)
    cells = alt.Chart(data(rows)).transform_calculate(share=share).mark_rect()
    cells = cells.encode(
        x=alt.X(f"{groups.field}:N", sort=groups.names, title=groups.title, scale=GAPS, axis=top),
        y=alt.Y("prompt:N", sort=countries, title=None, scale=GAPS, axis=alt.Axis(**PLAIN)),
        color=_SHARES,
        tooltip=tips(groups.tip, "prompt=country", "answer=capital", f"share={_SHARE}", "runs"),
    )
    halves = cells.properties(width=alt.Step(max(30, 200 // len(groups.names))), height=alt.Step(15))
    halves = halves.facet(column=alt.Column("half:O", title=None, header=alt.Header(labels=False)), spacing=20)
    return halves.resolve_scale(y="independent").add_params(slider).properties(title=_NOW)


def raster(items: pd.DataFrame, by: str = "width") -> alt.TopLevelMixin:
    """When each run answers each held-out expression right: a panel an expression and group, a line a seed.

    Parameters
    ----------
    items : one row a run, iteration and prompt: `by`, `seed`, `iteration`, `prompt`, `group`, `greedy` (is the
        greedy answer right). Groups other than "held out" are left out.
    by : the column that tells the models apart (see `style.Groups`).
    """
    items = items[items["group"] == "held out"]
    groups, seeds, rows = Groups.of(items, by), items["seed"].nunique(), []
    one_run_each(items, [by, "prompt", "seed", "iteration"])
    for (group, prompt, seed), one in items.sort_values("iteration").groupby([by, "prompt", "seed"]):
        right, at = one["greedy"].to_numpy(dtype=int), one["iteration"].to_numpy(dtype=int)
        turns = np.flatnonzero(np.diff(right)) + 1  # where a span begins; an answer holds until the next look
        edges = [int(e) for e in (at[0], *at[turns], at[-1] + np.diff(at[-2:]).sum())]
        spans = {"from": edges[:-1], "until": edges[1:], "right": right[[0, *turns]].tolist()}
        rows.append({by: group, "prompt": prompt, "seed": seed, "share": right.mean(), **spans})
    x_axis = alt.Axis(labelExpr=THOUSANDS, tickCount=3, grid=False)
    states = alt.Scale(domain=["right", "wrong"], range=[RIGHT, WRONG])
    about = tips(groups.tip, "prompt", "seed", "from", "until", "state")
    about += tips("share=share of looks right", number=".0%")
    table = crossed(groups.named(pd.DataFrame(rows)), "prompt", groups.field)
    cells = alt.Chart(data(table)).mark_rect()
    cells = cells.encode(
        x=alt.X("from:Q", title="iteration", scale=alt.Scale(nice=False), axis=x_axis),
        x2="until:Q",
        y=alt.Y("seed:O", title="seed", axis=alt.Axis(labels=seeds <= 12, **PLAIN)),
        color=alt.Color("state:N", title=None, scale=states),
        tooltip=about,
    )
    panel = cells.properties(width=max(110, 560 // len(groups.names)), height=alt.Step(max(1.5, min(12, 100 / seeds))))
    prompts = alt.Row("prompt:N", title=None, header=alt.Header(**LEFT))
    chart = panel.facet(row=prompts, column=groups.across(), spacing=10)
    # Unfolded before the panels are made: Vega-Lite loses what is unfolded inside them.
    chart = chart.transform_flatten(["from", "until", "right"])
    return chart.transform_calculate(state="datum.right ? 'right' : 'wrong'")
