"""The laboratory in a real browser: what it computes against this package, and what a reader can do with it."""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import test_book
import torch
from playwright.sync_api import Browser, Page, expect
from test_book import HTML, needs_browser

from lib import data
from lib.book import browser as kernels
from lib.model.transformer import initialize, uniform
from lib.run import Run
from lib.store import Store
from lib.train.stack import Stack, stream

browser, page = test_book.browser, test_book.page
PAGE = HTML / "notebooks" / "laboratory.html"
SCRIPTS = kernels.ROOT / "book" / "_static"
needs_page = pytest.mark.skipif(not PAGE.exists(), reason="there is no built book: run `make book`")
HOLES = ("5,7", "0,0 3,8", "")
RUN = Run("arithmetic", 14, 3, iterations=100, held_out="2,6 5,7", line_order=3, weight_decay=0.1)


@pytest.fixture(scope="module")
def engine(browser: Browser) -> Iterator[Page]:
    """An empty page that has the laboratory's functions as `engine`, and its kernels."""
    page = browser.new_page(offline=True)
    page.add_script_tag(path=SCRIPTS / "laboratory-worker.js")
    page.evaluate("published => Object.assign(window, { engine: laboratoryEngine(), published })", ORDER)
    yield page
    page.close()


ORDER = kernels.published_order()


def chosen(run: Run) -> dict:
    """A run as the laboratory spells it."""
    pairs = [list(pair) for pair in data.pairs(run.held_out)]
    return {
        "width": run.width, "hidden": pairs, "seed": run.seed, "lineOrder": run.line_order,
        "weightDecay": run.weight_decay, "iterations": run.iterations,
    }  # fmt: skip


def trained(engine: Page, run: Run, updates: int) -> tuple[np.ndarray, float]:
    """The parameters (P,) that the browser has after some updates, and their loss."""
    engine.add_script_tag(path=kernels.KERNELS / f"{run.width}.js")
    text = engine.evaluate("width => laboratoryKernels[width]", run.width)
    wasm = list(gzip.decompress(base64.b64decode(text)))
    weights, loss = engine.evaluate(
        """async ([wasm, run, updates]) => {
          const model = await engine.trainer(new Uint8Array(wasm), published, run);
          model.advance(updates);
          return [Array.from(model.weights()), model.loss()];
        }""",
        [wasm, chosen(run), updates],
    )
    return np.array(weights), loss


# The kernels


def test_the_kernels_are_those_of_the_source():
    assert {path.stem for path in kernels.KERNELS.glob("*")} == {str(width) for width in kernels.WIDTHS}
    stale = [w for w in kernels.WIDTHS if kernels.digest(w) not in (kernels.KERNELS / f"{w}.js").read_text()[:120]]
    assert stale == [], "run `make wasm`"


def test_a_change_of_source_or_flags_makes_a_kernel_stale(monkeypatch, tmp_path):
    before = kernels.digest(14)
    assert before != kernels.digest(28)
    monkeypatch.setattr(kernels, "FLAGS", [*kernels.FLAGS, "-g"])
    assert before != kernels.digest(14)
    monkeypatch.undo()
    source = tmp_path / "fused.cpp"
    source.write_text(kernels.fused.SOURCE.read_text() + "\n")
    monkeypatch.setattr(kernels.fused, "SOURCE", source)
    assert before != kernels.digest(14)


# What is computed, against the package


@needs_browser
@pytest.mark.parametrize("seed", [0, 7, 2**31 + 5])
def test_windows(engine: Page, seed: int):
    asked = """([seed, step]) => {
      const out = new Int32Array(882);
      engine.windows(seed, step, 1755, out);
      return [...out];
    }"""
    for step in (0, 1, 29_999):
        expected = uniform(stream(torch.tensor([seed]), torch.tensor([step]), 0), 882, 1755)[0].tolist()
        assert engine.evaluate(asked, [seed, step]) == expected


@needs_browser
@pytest.mark.parametrize("held_out", HOLES)
@pytest.mark.parametrize("line_order", [None, 0, 12345])
def test_text_and_floors(engine: Page, held_out: str, line_order: int | None):
    task = replace(RUN, held_out=held_out, line_order=line_order).corpus
    asked = "run => { const text = engine.text(published, run); return { text, ...engine.floors(text) }; }"
    found = engine.evaluate(asked, chosen(replace(RUN, held_out=held_out, line_order=line_order)))
    assert found["text"] == task.text
    floors = [data.floor(task, ordered=False), data.floor(task)]
    assert [found["unordered"], found["ordered"]] == pytest.approx(floors, rel=1e-12)  # sums of 16,000 logarithms


@needs_browser
@pytest.mark.parametrize(("width", "seed"), [(6, 0), (14, 3), (17, 123_456)])
def test_initial_weights(engine: Page, width: int, seed: int):
    found = engine.evaluate("([width, seed]) => [...engine.initialize(width, seed)]", [width, seed])
    expected = initialize(Run("arithmetic", width, seed).architecture, [seed])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=5e-6 * 0.02)  # torch has sines in float32


@needs_browser
@pytest.mark.parametrize("iterations", [20, 27, 1_000, 30_000])  # 27: half an update is rounded
def test_rates(engine: Page, iterations: int):
    found = engine.evaluate("iterations => [...engine.rates({ iterations })]", iterations)
    np.testing.assert_allclose(found, Run("arithmetic", 14, 0, iterations).rates(), rtol=1.2e-7)  # a unit of float32


@needs_browser
@pytest.mark.parametrize("width", [6, 14, 28])
def test_a_hundred_updates_agree_with_the_engine_of_the_book(engine: Page, width: int):
    run = replace(
        RUN, width=width, iterations=30_000
    )  # in a shorter run the rates are higher, and rounding grows faster
    stack = Stack([run])
    stack.advance(100)
    weights, loss = trained(engine, run, 100)
    assert abs(weights - stack.flat[0].numpy()).max() < 1e-4
    assert loss == pytest.approx(stack.losses()[0], abs=1e-5)


@needs_browser
def test_greedy_answers_are_those_of_the_scorer(engine: Page):
    stack = Stack([Run("arithmetic", 14, seed, iterations=1_500, line_order=seed) for seed in (0, 1)])
    shares = []
    for updates in (0, 700, 800):
        stack.advance(updates)
        for flat, greedy in zip(stack.flat, stack.scorers[0][0](stack.architecture, stack.flat)["greedy"], strict=True):
            asked = """flat => {
              const next = engine.reader(14, new Float32Array(flat));
              return published.map((e) => engine.right(engine.answer(next, e), e));
            }"""
            found = dict(zip(ORDER, engine.evaluate(asked, flat.tolist()), strict=True))
            assert [found[p.name] for p in stack.runs[0].corpus.prompts] == greedy.tolist()
            shares.append(greedy.mean())
    assert min(shares) < 0.1 and max(shares) > 0.3  # right and wrong ones


# What a reader sees and does


def opened(page: Page, updates: int = 100, models: int = 1) -> Page:
    page.goto(PAGE.as_uri())
    page.get_by_label("Updates").fill(str(updates))
    page.get_by_label("Models").fill(str(models))
    return page


def ended(page: Page) -> str:
    """What the page says at the end of the training."""
    expect(page.locator("#laboratory")).to_have_attribute("data-phase", "done", timeout=60_000)
    return page.locator(".laboratory-status").inner_text()


@needs_browser
@needs_page
def test_a_reader_hides_another_pair_by_the_keyboard_and_trains(page: Page):
    opened(page, models=2)
    page.get_by_label("First seed").fill("3")
    page.get_by_label("Weight decay").fill("0.1")
    page.get_by_label("0 plus 0", exact=True).focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", *["ArrowRight"] * 5, "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#laboratory [aria-pressed=true]")).to_have_count(8)  # the page draws with the next frame
    expect(page.get_by_label("2 plus 6, hidden")).to_be_focused()
    page.get_by_role("button", name="Train").click()
    said = ended(page)
    assert re.match(r"Yours: \d of 2 models have all 8 hidden sums right \(\d, \d\)\. The book has no run", said)

    with page.expect_download() as download:
        page.get_by_role("button", name="Save the numbers").click()
    saved = pd.read_csv(download.value.path())
    assert download.value.suggested_filename == "laboratory-n14.csv"
    assert saved.groupby("seed")["iteration"].agg(list).to_dict() == {3: [*range(0, 101, 5)], 4: [*range(0, 101, 5)]}
    assert set(saved["held_out"]) == {RUN.held_out} and set(saved["weight_decay"]) == {0.1}
    for seed in (3, 4):
        stack = Stack([replace(RUN, seed=seed, line_order=seed)])
        stack.advance(100)
        (row,) = stack.measure()
        last = saved[saved["seed"] == seed].iloc[-1]
        groups = np.array([p.group for p in RUN.corpus.prompts])
        assert last["loss"] == pytest.approx(row["loss"], abs=1e-3)  # rounding has grown over a whole, if short, run
        assert last["seen_accuracy"] == pytest.approx(row["greedy"][groups == "seen"].mean())
        assert last["held_out_correct"] == row["greedy"][groups == "held out"].sum()


@needs_browser
@needs_page
def test_pause_go_on_and_start_anew(page: Page):
    opened(page, updates=2_000).get_by_label("Size").select_option("n6")
    page.get_by_role("button", name="Train").click()
    expect(page.locator(".laboratory-status")).to_contain_text(re.compile("Update [1-9].* left"), timeout=20_000)
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(1_500)  # what was under way is told
    before = page.locator(".laboratory-status").inner_text()
    page.wait_for_timeout(500)
    assert page.locator(".laboratory-status").inner_text() == before
    assert before.endswith(" of 2,000") and "2,000 of" not in before
    page.get_by_role("button", name="Go on").click()
    assert ended(page).startswith("Yours: ")
    page.get_by_role("button", name="Start anew").click()
    expect(page.get_by_label("5 plus 7, hidden")).to_have_text("?")  # the page draws with the next frame
    assert page.get_by_label("Updates").is_enabled() and page.get_by_role("button", name="Save").is_disabled()


@needs_browser
@needs_page
def test_the_kernels_load_only_when_asked_for(page: Page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened(page, updates=20).get_by_label("Size").select_option("n8")
    assert not [url for url in asked if "kernels" in url]
    page.get_by_role("button", name="Train").click()
    ended(page)
    assert [url.rsplit("/", 1)[1] for url in asked if "kernels" in url] == ["8.js"]


@needs_browser
@needs_page
def test_a_recording_where_nothing_can_be_trained(page: Page):
    page.emulate_media(reduced_motion="reduce")  # to its end at once
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(PAGE.as_uri())
    assert "cannot train" in page.locator(".laboratory-status").inner_text()
    page.get_by_role("button", name="Play the recording").click()
    known = json.loads(page.locator("#laboratory script").inner_text())
    run, rights = known["recording"]["run"], known["recording"]["rights"][-1]
    (pair,) = run["hidden"]
    right = sum(rights[ORDER.index(f"{a}{sign}{b}")] == "1" for sign in "+-" for a, b in (pair, pair[::-1]))
    assert ended(page).startswith(f"The recorded run: {right} of 4 hidden sums right")


@needs_browser
@needs_page
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("window.Worker = class { postMessage() {} terminate() {} }", "no answer came within 30 seconds."),
        ("window.Worker = class { constructor() { throw new Error('none may be made'); } }", "none may be made."),
        ("URL.createObjectURL = undefined", "URL.createObjectURL is not a function."),
        (
            "window.Worker = class { postMessage() { this.onerror({}); } terminate() {} }",
            "the browser gives no reason, as where the policy of a site forbids what this page needs.",
        ),
    ],
)
def test_a_worker_that_does_not_work(page: Page, script: str, said: str):
    page.clock.install()
    page.add_init_script(script)
    opened(page).get_by_role("button", name="Train").click()
    expect(page.locator("#laboratory")).to_have_attribute("data-phase", "training" if "30" in said else "rest")
    page.wait_for_timeout(300)  # the kernel is loaded
    page.clock.fast_forward(31_000)
    expect(page.locator(".laboratory-status")).to_have_text(f"This did not work: {said}")
    assert page.get_by_role("button", name="Train").is_enabled()


@needs_browser
@needs_page
def test_a_loss_that_is_no_number_is_not_drawn(page: Page):
    page.add_init_script(
        """window.Worker = class {
          postMessage({ run, published }) {
            const answers = published.map(() => "1");
            const tell = (iteration, loss) => this.onmessage({ data: { iteration, loss, answers } });
            tell(0, 2.5);
            tell(run.iterations, NaN);
          }
          terminate() {}
        }"""
    )
    opened(page).get_by_role("button", name="Train").click()
    ended(page)
    plot = page.locator(".laboratory-plot")
    assert "NaN" not in plot.inner_html() and "no number" in plot.get_attribute("aria-label")


@needs_page
def test_the_page_knows_the_runs_of_the_book():
    text = re.search(r'<script type="application/json">(.*?)</script>', PAGE.read_text())
    known = json.loads(text[1])["runs"]
    runs = Store(kernels.ROOT / "results").runs().set_index("run")["held_out_correct"]
    for key, shuffled in (("14 / 5,7 / own / 0 / 30000", True), ("28 / 5,7 / published / 0 / 30000", False)):
        width = int(key[:2])
        ids = {
            seed: Run("arithmetic", width, int(seed), line_order=int(seed) if shuffled else None).id
            for seed in known[key]
        }
        assert len(ids) > 10 and {seed: runs[i] for seed, i in ids.items()} == known[key]
