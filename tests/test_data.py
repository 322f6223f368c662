"""The corpora against the published files (by their hash and their counts) and against rules written out here."""

import hashlib
import itertools
import re
from collections import Counter
from math import log

import pytest

from lib import data
from lib.errors import UserError
from lib.run import Run

EVERY = {f"{a}{sign}{b}" for a, b in itertools.product(range(10), repeat=2) for sign in "+-"}
LINE = re.compile(r"<(\d[+-]\d)=(-?\d+)> *")


def arithmetic_lines(text: str) -> list[str]:
    return [text[i : i + 9] for i in range(0, len(text), 9)]


def expressions(text: str) -> list[str]:
    """The expressions of an arithmetic corpus, each line checked against Python's own arithmetic."""
    found = []
    for line in arithmetic_lines(text):
        match = LINE.fullmatch(line[:-1])
        assert match and len(line) == 9 and line[-1] == "\n"
        assert int(match[2]) == eval(match[1])
        found.append(match[1])
    return found


@pytest.mark.parametrize(
    ("name", "characters", "vocabulary", "context", "batch", "digest"),
    [  # sha256 of data/as_math/train.txt and data/both_math_and_facts/train.txt in the paper's public repository, and
        # of the latter without the former
        ("arithmetic", 1764, 17, 9, 882, "027df0cd21c838283f9d990a5984975bb968edd4f794170f2197a9dc60a3b926"),
        ("facts", 1547, 51, 24, 576, "c4df90002ce251a6e3a6c4ecddbdf4df5368b15d738892687e58df42fac3feb7"),
        ("joint", 3311, 66, 24, 576, "078ebbe290ef4e78ee33da82b58ec8c1b2504d30f9b47597aa2cb873dcb12fb1"),
    ],
)
def test_published_corpora(name, characters, vocabulary, context, batch, digest):
    task = data.make(name)
    assert hashlib.sha256(task.text.encode()).hexdigest() == digest
    assert (len(task.text), len(task.vocabulary), task.context, task.batch) == (characters, vocabulary, context, batch)
    assert task.vocabulary == "".join(sorted(set(task.text)))
    assert task.offsets == characters - context  # so that the last window's target is the last character


def test_arithmetic_lines():
    text = data.make("arithmetic").text
    assert arithmetic_lines(text)[:2] == ["<1-4=-3>\n", "<7-7=0> \n"]
    found = expressions(text)
    assert len(found) == 196 and set(found) == EVERY - {"5+7", "7+5", "5-7", "7-5"}


def test_facts_lines():
    lines = data.make("facts").text.split("\n")
    assert lines.pop() == "" and len(lines) == 50 == len(set(lines))
    assert all(re.fullmatch(r"Capital of [A-Z a-z]+ is [A-Z a-z]+ ", line) for line in lines)
    assert (lines[0], lines[1]) == ("Capital of France is Paris ", "Capital of the USA is Washington DC ")
    assert lines[-1] == "Capital of Zambia is Lusaka "


@pytest.mark.parametrize("line_order", [None, 3])
def test_joint_is_arithmetic_then_facts(line_order):
    parts = [data.make(name, line_order=line_order).text for name in ("arithmetic", "facts")]
    assert data.make("joint", line_order=line_order).text == "".join(parts)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("", set()),
        ("0,0", {"0+0", "0-0"}),
        ("9,2", {"2+9", "9+2", "2-9", "9-2"}),
        ("0,1 3,3 1,0", {"0+1", "1+0", "0-1", "1-0", "3+3", "3-3"}),
    ],
)
def test_other_held_out_pairs(text, hidden):
    task = data.make("arithmetic", held_out=data.pairs(text))
    found = expressions(task.text)
    assert len(found) == len(set(found)) and set(found) == EVERY - hidden
    assert {p.name for p in task.prompts if p.group == "held out"} == hidden
    assert {p.name for p in task.prompts if p.group == "seen"} == EVERY - hidden
    # What both texts have stands in the published order.
    common = [e for e in expressions(data.make("arithmetic").text) if e not in hidden]
    assert found[: len(common)] == common


@pytest.mark.parametrize("name", ["arithmetic", "facts"])
def test_line_order_permutes_the_lines(name):
    published, one, again, other = (data.make(name, line_order=order).text for order in (None, 0, 0, 1))
    assert len({published, one, other}) == 3 and one == again
    assert Counter(one.splitlines()) == Counter(other.splitlines()) == Counter(published.splitlines())


def test_tokens_are_places_in_the_vocabulary():
    task = data.make("joint")
    assert "".join(task.vocabulary[i] for i in task.tokens) == task.text


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("arithmetic", {"seen": 196, "held out": 4}),
        ("facts", {"fact": 50}),
        ("joint", {"seen": 196, "held out": 4, "fact": 50}),
    ],
)
def test_prompts(name, groups):
    task = data.make(name)
    assert Counter(p.group for p in task.prompts) == groups
    assert len({p.name for p in task.prompts}) == len(task.prompts)
    for p in task.prompts:
        if p.group == "fact":  # the text has the article, the published prompt has not
            country = {"USA": "the USA", "UK": "the UK"}.get(p.name, p.name)
            assert p.text == f"Capital of {p.name} is "
            assert f"Capital of {country} is {p.answer} \n" in task.text
        else:
            assert p.text == f"<{p.name}=" and p.answer == str(eval(p.name))
            assert (f"{p.text}{p.answer}>" in task.text) == (p.group == "seen")


def test_facts_that_outgrow_the_context():
    # Section 4 of the notes on the paper's files: 6 prompts are too long, and 47 texts overflow during the answer.
    prompts = data.make("facts").prompts
    assert sum(len(p.text) > 24 for p in prompts) == 6
    assert sum(len(p.text + p.answer) > 24 for p in prompts) == 47


@pytest.mark.parametrize("name", ["arithmetic", "joint", "facts"])
def test_accepted_continuations(name):
    """Every accepted continuation passes the published parser, no two are the same, and the training text's is one."""
    task = data.make(name)
    for p in task.prompts:
        texts = ["".join(choice) for steps in p.accepted for choice in itertools.product(*steps)]
        assert len(texts) == len(set(texts))
        for text in texts:
            assert set(text) <= set(task.vocabulary)
            if p.group == "fact":
                assert text.splitlines()[0].strip().lower() == p.answer.lower() and text.endswith("\n")
            else:
                found = re.search(r"<\s*\d+\s*([+\-])\s*\d+\s*=\s*(-?\d+)", p.text + text)
                assert int(found[2]) == int(p.answer) and len(text) <= 4
        if p.group == "fact":
            assert sorted(texts) == sorted([p.answer + "\n", p.answer + " \n"])
        else:
            written = ["0", "-0"] if p.answer == "0" else [p.answer]
            assert sorted(texts) == sorted(w + c for w in written for c in task.vocabulary if not c.isdigit())


# The lowest losses


@pytest.mark.parametrize(("name", "published"), [("arithmetic", 0.5308), ("facts", 0.1792), ("joint", 0.1944)])
def test_floor(name, published):
    task = data.make(name)
    assert data.floor(task) == pytest.approx(published, abs=5e-5)  # four digits are given
    windows = [task.text[i : i + task.context + 1] for i in range(task.offsets)]
    counts = Counter(window[:n] for window in windows for n in range(1, task.context + 2))
    steps = [log(counts[w[:n]] / counts[w[: n + 1]]) for w in windows for n in range(1, task.context + 1)]
    assert data.floor(task) == pytest.approx(sum(steps) / len(steps), rel=1e-9)  # float64


def test_floor_without_order():
    # Three digits are given.
    assert data.floor(data.make("arithmetic"), ordered=False) == pytest.approx(0.767, abs=5e-4)
    with pytest.raises(ValueError, match="not defined for facts"):
        data.floor(data.make("facts"), ordered=False)
    # A text of few lines, by counting all that two lines drawn anew can give.
    left = ((0, 0), (1, 2), (3, 8))
    every = itertools.combinations_with_replacement(range(10), 2)
    task = data.make("arithmetic", held_out=tuple(pair for pair in every if pair not in left))
    lines = arithmetic_lines(task.text)
    drawn = [(one + two)[i : i + 10] for one in lines for two in lines for i in range(9)]
    counts = Counter(window[:n] for window in drawn for n in range(1, 11))
    windows = [task.text[i : i + 10] for i in range(task.offsets)]
    steps = [log(counts[w[:n]] / counts[w[: n + 1]]) for w in windows for n in range(1, 10)]
    assert data.floor(task, ordered=False) == pytest.approx(sum(steps) / len(steps), rel=1e-9)  # float64


def test_pairs():
    assert data.pairs("7,5 0,0 5,7") == ((0, 0), (5, 7))
    assert data.pairs("") == ()


@pytest.mark.parametrize("text", ["5,10", "5", "a,b", "5-7", "-1,3", "5,7,9", ","])
def test_bad_pairs(text):
    with pytest.raises(UserError, match=rf"held_out has '{text}'.* 0 to 9"):
        data.pairs(text)


def test_holding_out_everything():
    every = tuple(itertools.combinations_with_replacement(range(10), 2))
    assert len(every) == 55
    with pytest.raises(UserError, match="held_out has all 55 pairs"):
        data.make("arithmetic", held_out=every)
    least = data.make("arithmetic", held_out=every[1:])
    assert sorted(expressions(least.text)) == ["0+0", "0-0"]
    assert least.vocabulary == data.make("arithmetic").vocabulary  # the prompts need every digit


def test_unknown_task():
    with pytest.raises(UserError, match=r"'algebra'.*one of arithmetic, facts, joint"):
        data.make("algebra")


@pytest.mark.parametrize(("base", "operands"), [(8, None), (16, None), (36, None), (10, 20), (2, 5)])
def test_sums_in_other_bases_and_of_longer_numbers(base, operands):
    """Each line is read by Python's own `int`."""
    task = data.make("arithmetic", base=base, operands=operands, held_out=((1, 1), (0, 3)) if base != 2 else ((0, 1),))
    lines = task.text.splitlines(keepends=True)
    numbers, seen = operands or base, Counter()
    assert len({len(line) for line in lines}) == 1 and task.context == task.line == len(lines[0])
    for line in lines:
        left, sign, right, answer = re.fullmatch(r"<(\w+)([+-])(\w+)=(-?\w+)> *\n", line).groups()
        a, b, result = (int(x, base) for x in (left, right, answer))
        assert result == (a + b if sign == "+" else a - b) and max(a, b) < numbers
        seen[a, b, sign] += 1
    asked = {(p.left, p.right, p.operation): p for p in task.prompts}
    assert len(asked) == len(task.prompts) == 2 * numbers**2 and set(seen.values()) == {1}
    assert {key for key, p in asked.items() if p.group == "seen"} == set(seen)
    for (a, b, sign), p in asked.items():
        assert int(p.answer, base) == (a + b if sign == "+" else a - b) and len(p.accepted[0]) == len(p.answer) + 1
    assert set(task.text) <= set(task.vocabulary) and len(task.vocabulary) == base + 7


def test_windows_of_one_line_of_longer_numbers():
    task = data.make("arithmetic", operands=20, windows="lines", targets="answers", held_out=((3, 12),))
    for i, counts in enumerate(task.counted):
        asked = task.text[i * task.stride + 1 : (i + 1) * task.stride + 1]
        line = task.text[i * task.stride : (i + 1) * task.stride]
        told = "".join(c for c, counted in zip(asked, counts, strict=True) if counted)
        assert told == line[line.index("=") + 1 :] and task.prompts[0].text.endswith("<0+0=")
    assert Run("arithmetic", 14, 0, operands=20, held_out="12,3").held_out == "3,12"
    with pytest.raises(UserError, match="held_out has '5,20', but a held-out pair is two numbers from 0 to 19"):
        Run("arithmetic", 14, 0, operands=20, held_out="5,20")
    with pytest.raises(UserError, match="base is 8, but it must be 10 for facts"):
        Run("facts", 14, 0, base=8)
    assert Run("arithmetic", 14, 0, base=8, operands=8) == Run("arithmetic", 14, 0, base=8)
