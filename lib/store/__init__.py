"""Runs on disk: files written beside and renamed, the format of a run, and the store that holds them."""

from lib.store.store import Store

__all__ = ["Store"]
