"""Says why nothing is installed: the book's code works from its checkout, beside the runs and the notebooks."""

raise SystemExit(
    "This is not a package to install. `make .venv/ready` sets up an environment here; in one of your own, "
    "`pip install -r requirements.txt`, and work from this folder or have it in PYTHONPATH."
)
