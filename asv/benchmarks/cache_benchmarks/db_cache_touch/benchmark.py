from ...utils import count_statements
from ..utils import DatabaseCacheBase


class DbCacheTouch(DatabaseCacheBase):
    def time_db_cache_touch(self, rows):
        for key in self.keys:
            self.cache.touch(key)

    def track_statements(self, rows):
        return count_statements(self.cache.touch, self.keys[0])

    track_statements.unit = "statements"
