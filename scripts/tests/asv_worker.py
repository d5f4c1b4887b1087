"""Run every benchmark of the asv suite once: ``python -m tests.asv_worker``.

As asv does it, setup() before each method, but all in one process. One JSON object
goes out: ``statements``: class → parameters → method → what a track_ method returned,
``timed``: class → how many time_ methods ran, ``skipped``: class → parameters →
why.
"""

import importlib
import itertools
import json
import pkgutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

type Found = dict[str, dict[str, dict[str, Any]]]


def classes() -> Iterator[type]:
    """Yield the classes of all benchmarks."""
    package = importlib.import_module("benchmarks")
    for module in pkgutil.walk_packages(package.__path__, "benchmarks."):
        if module.name.endswith(".benchmark"):
            for found in vars(importlib.import_module(module.name)).values():
                if isinstance(found, type) and methods(found):
                    yield found


def methods(of: type) -> list[str]:
    """Return the names of what asv runs."""
    return [name for name in dir(of) if name.startswith(("time_", "track_"))]


def main() -> None:
    statements: Found = defaultdict(lambda: defaultdict(dict))
    timed: Counter[str] = Counter()
    skipped: dict[str, dict[str, str]] = defaultdict(dict)
    for each in classes():
        params = getattr(each, "params", ())
        for param in itertools.product(*[params] if params else []):
            shown = ",".join(map(str, param))
            for name in methods(each):
                benchmark: Any = each()
                try:
                    benchmark.setup(*param)
                except NotImplementedError as error:
                    skipped[each.__name__][shown] = str(error)
                    continue
                method = getattr(benchmark, name)
                result = method(*param)
                if name.startswith("time_"):
                    timed[each.__name__] += 1
                else:
                    assert method.unit == "statements"
                    statements[each.__name__][shown][name] = result
    print(json.dumps({"statements": statements, "timed": timed, "skipped": skipped}))


if __name__ == "__main__":
    main()
