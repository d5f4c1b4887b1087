"""The values of the cache: small dictionaries, or rendered pages."""

import pickle
import random
from collections.abc import Callable

VALUES = 16  # different values, so that an UPDATE never writes what is there

PAGE_ROWS = 25
HEAD = """<!DOCTYPE html>
<html lang="en-us" dir="ltr">
<head>
<title>Select author to change | Site administration</title>
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<link rel="stylesheet" href="/static/admin/css/base.css">
<link rel="stylesheet" href="/static/admin/css/changelists.css">
<script src="/static/admin/js/theme.js"></script>
</head>
<body class="app-library model-author change-list">
<h1>Select author to change</h1>
<table id="result_list">
<thead>
<tr><th>Name</th><th>City</th><th>Phone</th><th>Joined</th></tr>
</thead>
<tbody>
"""
ROW = """<tr>
<td class="action-checkbox"><input type="checkbox" name="_selected_action" \
value="{id}" class="action-select"></td>
<th class="field-name"><a href="/admin/library/author/{id}/change/">{name}</a></th>
<td class="field-city">{city}</td>
<td class="field-phone">{phone}</td>
<td class="field-joined nowrap">{day}</td>
</tr>
"""
TAIL = """</tbody>
</table>
<p class="paginator">{count} authors</p>
</body>
</html>
"""
FIRST = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Radia", "Ken")
LAST = ("Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Perlman")
CITIES = ("London", "New York", "Manchester", "Rotterdam", "Boston", "Stanford")


def small_dict(number: int) -> dict[str, object]:
    """Return a small dictionary of 144 bytes when pickled."""
    return {
        "id": number % VALUES,
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "groups": [1, 2, 3],
        "active": True,
        "score": 0.5,
        "city": "London",
        "lang": "e",
    }


def page(number: int) -> str:
    """Return a list page of Django's admin: about 9 kB, compressed a sixth."""
    chance = random.Random(number % VALUES)
    rows = [
        ROW.format(
            id=chance.randrange(1, 10_000),
            name=f"{chance.choice(FIRST)} {chance.choice(LAST)}",
            city=chance.choice(CITIES),
            phone=chance.randrange(1_000_000, 10_000_000),
            day=f"20{chance.randrange(10, 26)}-{chance.randrange(1, 13):02}"
            f"-{chance.randrange(1, 29):02}",
        )
        for _ in range(PAGE_ROWS)
    ]
    return HEAD + "".join(rows) + TAIL.format(count=chance.randrange(100, 10_000))


# The names of --values; number → one of VALUES different values.
KINDS: dict[str, Callable[[int], object]] = {"dict": small_dict, "page": page}


def pickled(kind: str, number: int = 0) -> bytes:
    """Return a value as the cache pickles it."""
    return pickle.dumps(KINDS[kind](number), pickle.HIGHEST_PROTOCOL)
