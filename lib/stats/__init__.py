"""Intervals and tests, the registered rules, estimates and where curves cross, and how all of them are spelt."""
