"""The sides of every comparison: what takes turns in each round."""

STOCK, PATCHED = "stock", "patched"
