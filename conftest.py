"""Notebooks that tests run write their figures' data elsewhere, and say what they say in the book."""

import os
import tempfile

os.environ["BOOK_DATA"] = tempfile.mkdtemp(prefix="book-data-")
