"""The sides of a comparison: what takes turns in each round."""

STOCK, PATCHED = "stock", "patched"
