"""The sides of a comparison: stock Django, and Django with the series."""

STOCK, PATCHED = "stock", "patched"
