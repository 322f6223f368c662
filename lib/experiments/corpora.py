"""The corpora: what the models read. Nothing is trained."""

TASKS = ()
