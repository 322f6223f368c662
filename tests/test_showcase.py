"""The models that a reader can try: what is stored of them, and what the page makes of it in a real browser."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import test_book
import torch
from playwright.sync_api import Browser, Page
from test_book import HTML, needs_browser, open_page

from lib.book import models
from lib.experiments import showcase
from lib.model.scores import Scorer
from lib.model.transformer import forward, unpack
from lib.run import Run
from lib.store import Store

browser, page = test_book.browser, test_book.page
STORE = Store(models.STORE)
RUNS = models.runs()
PAGE = "book/model.html"
MOMENTS = (0, 9, 19)  # hardly begun, the page's own, and done
LONG = {  # texts longer than the context
    "arithmetic": "<3+4=7>  \n<5+7=",
    "facts": "Capital of the Netherlands is Amster",
    "joint": "<3+4=7>  \n<1+1=2>  \n<5+7=",
}
needs_book = pytest.mark.skipif(not (HTML / PAGE).exists(), reason="there is no built book: run `make book`")
each_run = pytest.mark.parametrize("run", RUNS, ids=models.name)


@pytest.fixture(scope="module")
def calculator(browser: Browser) -> Iterator[Page]:
    """The page, opened once for all that it computes and that nothing on it shows."""
    page = browser.new_page(offline=True)
    page.goto((HTML / PAGE).as_uri())
    yield page
    page.close()


def last_logits(run: Run, flat: torch.Tensor, texts: list[str]) -> np.ndarray:
    """The model's logits after each text, in the precision of `flat` (P,), shape (texts, vocabulary)."""
    windows = [torch.from_numpy(run.corpus.encode(text)[-run.corpus.context :]).long() for text in texts]
    found = torch.empty(len(texts), len(run.corpus.vocabulary), dtype=flat.dtype)
    for length in {len(window) for window in windows}:
        alike = [i for i, window in enumerate(windows) if len(window) == length]
        with torch.no_grad():
            found[alike] = forward(run.architecture, flat[None], torch.stack([windows[i] for i in alike]))[0, :, -1]
    return found.numpy()


# What is stored


def test_the_showcase_is_the_first_seeds_of_the_published_protocol():
    sweep = showcase.sweep(list(showcase.TASKS), [14, 28, 56], seeds=None, iterations=30_000)
    assert set(sweep["weights"]) == {"late"} and sweep["run"].is_unique
    assert sweep.groupby(["task", "width"])["seed"].agg(list).to_dict() == {
        (task, width): [0, 1] if task == "arithmetic" else [0]
        for task in ("arithmetic", "facts", "joint")
        for width in (14, 28, 56)
    }
    assert set(sweep["line_order"].isna()) == {True}
    assert [run.id for run in RUNS] == sweep["run"].tolist()  # all are there
    said = (models.ROOT / "book" / "model.md").read_text()
    assert len(RUNS) == 12 and "Twelve of them" in said and "seeds 0 and 1 on sums, seed 0 on capitals" in said


@each_run
def test_the_weights_are_those_of_the_run(run):
    weights, stored = STORE.weights(run), STORE.stored(run.id)
    assert len(weights) == 20 and (min(weights), max(weights)) == (100, run.iterations)
    scores = Scorer(run.corpus)(run.architecture, weights[run.iterations][None])
    assert np.array_equal(scores["greedy"][0], stored.columns["greedy"][-1])
    # On another processor the same weights give this to rounding.
    np.testing.assert_allclose(scores["likelihood"][0], stored.columns["likelihood"][-1], atol=1e-4)


@needs_book
def test_the_book_ships_what_is_stored():
    """Every script of the built book is what the store makes of it now."""
    made = dict(models.scripts())
    folder = HTML / "_static" / "models"
    assert {path.name for path in folder.iterdir()} == set(made)
    stale = [name for name, text in made.items() if (folder / name).read_text() != text]
    assert stale == []


# What the page computes


@needs_book
@needs_browser
@each_run
def test_the_browser_computes_what_torch_does(calculator: Page, run: Run):
    texts = [*(prompt.text for prompt in run.corpus.prompts), LONG[run.task]]
    script = """async ([name, moments, texts]) => {
        const model = await trained.load(name);
        const ask = (at, text) => transformer.forward(model, model.flats[at], trained.tokens(model, text)).logits;
        const logits = moments.map((at) => texts.map((text) => [...ask(at, text)]));
        return [logits, model.prompts.map(([text]) => trained.answer(model, moments[1], text).right)];
    }"""
    found, right = calculator.evaluate(script, [models.name(run), MOMENTS, texts])
    weights = list(STORE.weights(run).values())
    for moment, logits in zip(MOMENTS, np.array(found), strict=True):
        exact = last_logits(run, weights[moment].double(), texts)
        single = last_logits(run, weights[moment], texts)
        largest = np.abs(exact).max()
        assert np.abs(logits - exact).max() < 1e-12 * largest  # float64 has 16 digits
        assert np.abs(logits - single).max() < 1e-5 * largest  # float32 has 7
        assert np.array_equal(logits.argmax(1), single.argmax(1))
    # And decoded greedily, its answers are right where the book's scoring has them right.
    assert np.array_equal(right, Scorer(run.corpus)(run.architecture, weights[MOMENTS[1]][None])["greedy"][0])


@needs_book
@needs_browser
def test_more_layers_and_heads(calculator: Page):
    run = Run("arithmetic", 12, 0, layers=2, heads=3, expansion=2)
    flat = torch.randn(run.architecture.parameters(), generator=torch.Generator().manual_seed(0)).double()
    script = "([model, flat, tokens]) => [...transformer.forward(model, Float64Array.from(flat), tokens).logits]"
    tokens = run.corpus.encode("<5+7=").tolist()
    found = calculator.evaluate(script, [vars(run.architecture), flat.tolist(), tokens])
    np.testing.assert_allclose(found, last_logits(run, flat, ["<5+7="])[0], rtol=1e-10)


@needs_book
@needs_browser
def test_the_picture_is_of_the_principal_components(calculator: Page):
    """Inner products of the points, which no sign changes, against a singular value decomposition; turns against
    Procrustes' (Schönemann 1966)."""
    run = RUNS[2]
    digits, places = [run.corpus.vocabulary.index(c) for c in "0123456789"], []
    for weights in list(STORE.weights(run).values())[9:11]:
        vectors = unpack(run.architecture, weights[None].double())["tokens"][0, digits].numpy()
        found = calculator.evaluate("v => transformer.plane(v.map((x) => Float64Array.from(x)))", vectors.tolist())
        u, s, _ = np.linalg.svd(vectors - vectors.mean(0))
        points, plane = np.array(found["points"]), u[:, :2] * s[:2]
        np.testing.assert_allclose(points @ points.T, plane @ plane.T, atol=1e-3 * s[0] ** 2)
        assert math.isclose(found["share"], (s[:2] ** 2).sum() / (s**2).sum(), rel_tol=1e-4)
        places.append(points)
    u, _, v = np.linalg.svd(places[0].T @ places[1])
    align = "([points, others]) => transformer.aligned(points, others)"
    turned = calculator.evaluate(align, [x.tolist() for x in places])
    np.testing.assert_allclose(turned, places[0] @ u @ v, atol=1e-9)


# What the page tells


def choose(page: Page, **chosen: str) -> None:
    for name, value in chosen.items():
        page.locator(f"#model [name={name}][value='{value}']").check()


def answers(page: Page) -> list[str]:
    """The answers along the slider, once all are there."""
    page.wait_for_selector(".moments[data-done]")
    return page.locator(".moments > span").all_inner_texts()


@needs_book
@needs_browser
def test_the_first_look_tells_the_story(page: Page):
    """n28 answers the held-out 5+7 half-way and has lost it at the end; the slider is moved by keys."""
    open_page(page, PAGE)
    found, slider = answers(page), page.locator("#model [name=moment]")
    assert found[9] == "12" != found[-1] and found[0] != "12"
    assert page.locator(".said").inner_text() == "12"
    assert "Right. It was held out" in page.locator(".verdict").inner_text()
    weights = STORE.weights(next(run for run in RUNS if (run.task, run.width) == ("arithmetic", 28)))
    for key, moment in (("End", 19), ("ArrowLeft", 18)):
        slider.press(key)
        assert page.locator(".said").inner_text() == found[moment]
        when = f"after {list(weights)[moment]:,} of 30,000 updates"
        assert page.locator(".when").inner_text() == slider.get_attribute("aria-valuetext") == when
    assert "Wrong: it is 12. It was held out" in page.locator(".verdict").inner_text()


@needs_book
@needs_browser
def test_each_picture_has_its_numbers_in_words(page: Page):
    open_page(page, PAGE)
    answers(page)
    labels = {part: page.locator(f".{part}").get_attribute("aria-label") for part in ("next", "attention", "picture")}
    for part, count in (("next", 17), ("attention", 5)):
        shares = page.eval_on_selector_all(f".{part} span", "all => all.map(x => +x.style.getPropertyValue('--share'))")
        assert len(shares) == count and math.isclose(sum(shares), 1, abs_tol=1e-6)
        assert f"{100 * max(shares):.1f} %" in labels[part]
    assert labels["picture"].count(" at ") == 10
    assert page.locator(".moments").get_attribute("aria-label").count(":") == 21


@needs_book
@needs_browser
@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("", "The prompt is empty, but the model needs at least one character to go on from."),
        ("<5*7=", "This model knows spaces and + - 0 1 2 3 4 5 6 7 8 9 < = > alone, but the prompt has “*”."),
        ("<" * 61, "The prompt has 61 characters, but 60 are the most; this model sees the last 9."),
    ],
)
def test_bad_input_is_answered(page: Page, prompt: str, sentence: str):
    open_page(page, PAGE)
    answers(page)
    page.locator("#model [name=prompt]").fill(prompt)
    assert page.locator(".problem").inner_text() == sentence
    assert not page.locator(".said").is_visible()
    page.locator("#model [name=prompt]").fill("<3+4=")
    assert page.locator(".problem").inner_text() == "" and page.locator(".said").is_visible()


@needs_book
@needs_browser
def test_what_can_be_chosen_follows_the_task(page: Page):
    open_page(page, PAGE)
    choose(page, seed="1", task="facts")
    assert page.locator("#model [name=seed]:checked").input_value() == "0"
    assert page.locator("#model [name=seed][value='1']").is_disabled()
    assert page.locator("#model [name=prompt]").input_value() == "Capital of France is "
    page.locator("#model [name=moment]").press("End")
    assert page.locator(".said").inner_text() == "Paris"
    page.get_by_role("button", name="Capital of Japan is").click()
    assert page.locator(".said").inner_text() == "Tokyo"
    choose(page, task="joint", width="56")
    assert page.locator(".said").inner_text() == "Tokyo"


@needs_book
@needs_browser
def test_without_scripts_or_files_a_sentence_says_so(browser: Browser):
    without = browser.new_page(java_script_enabled=False)
    without.goto((HTML / PAGE).as_uri())
    assert without.locator("#unavailable").is_visible() and not without.locator("#model").is_visible()
    without.close()
    missing = browser.new_page()
    missing.route("**/models/arithmetic-n14-0.js", lambda route: route.abort())
    missing.goto((HTML / PAGE).as_uri())
    choose(missing, width="14")
    missing.get_by_text("The file of this model, models/arithmetic-n14-0.js, cannot be read.").wait_for()
    missing.close()
