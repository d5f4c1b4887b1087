from ...utils import count_statements
from ..utils import DatabaseCacheBase


class DbCacheIncr(DatabaseCacheBase):
    def setup(self, rows):
        super().setup(rows)
        self.cache.set_many(dict.fromkeys(self.new_keys, 1))

    def time_db_cache_incr(self, rows):
        for key in self.new_keys:
            self.cache.incr(key)

    def track_statements(self, rows):
        return count_statements(self.cache.incr, self.new_keys[0])

    track_statements.unit = "statements"
