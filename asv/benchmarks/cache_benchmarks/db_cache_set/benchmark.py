from ...utils import count_statements
from ..utils import OTHER, DatabaseCacheBase


class DbCacheSet(DatabaseCacheBase):
    def time_db_cache_set_existing(self, rows):
        for key in self.keys:
            self.cache.set(key, OTHER)

    def time_db_cache_set_new(self, rows):
        for key in self.new_keys:
            self.cache.set(key, OTHER)

    def track_statements(self, rows):
        return count_statements(self.cache.set, self.keys[0], OTHER)

    track_statements.unit = "statements"
