from ...utils import count_statements
from ..utils import DatabaseCacheBase


class DbCacheGet(DatabaseCacheBase):
    def time_db_cache_get_hit(self, rows):
        for key in self.keys:
            self.cache.get(key)

    def time_db_cache_get_miss(self, rows):
        for key in self.new_keys:
            self.cache.get(key)

    def track_statements(self, rows):
        return count_statements(self.cache.get, self.keys[0])

    track_statements.unit = "statements"
