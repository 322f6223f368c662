"""python -m lib.book [NAME]: runs the book's notebooks (notebooks.py)."""

from lib.book.notebooks import main

main()
