import functools

from ...utils import bench_setup
from ..utils import MAX_ENTRIES, OTHER, VALUE

CALLS = 10


class FileCacheSet:
    params = (100, 1_000)
    param_names = ("entries",)

    def setup(self, entries):
        bench_setup()
        self.cache = filled_cache(entries)
        self.keys = [f"key-{number}" for number in range(CALLS)]

    def time_file_cache_set(self, entries):
        for key in self.keys:
            self.cache.set(key, OTHER)


@functools.cache
def filled_cache(entries):
    from django.core.cache.backends.filebased import FileBasedCache

    # In the working folder, which asv removes.
    cache = FileBasedCache(
        f"cache-{entries}", {"OPTIONS": {"MAX_ENTRIES": MAX_ENTRIES}}
    )
    for number in range(entries):
        cache.set(f"key-{number}", VALUE)
    return cache
