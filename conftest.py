"""Notebooks that tests run write their figures' data elsewhere, and say what they say in the book."""

import os
import tempfile
from pathlib import Path

os.environ["BOOK_DATA"] = tempfile.mkdtemp(prefix="book-data-")


def pytest_configure(config) -> None:
    config.option.nbval_sanitize_with = str(Path(__file__).parent / "tests" / "nbval.cfg")  # from any folder
