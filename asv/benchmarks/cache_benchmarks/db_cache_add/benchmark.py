from ...utils import count_statements
from ..utils import OTHER, DatabaseCacheBase


class DbCacheAdd(DatabaseCacheBase):
    def time_db_cache_add_existing(self, rows):
        for key in self.keys:
            self.cache.add(key, OTHER)

    def time_db_cache_add_new(self, rows):
        for key in self.new_keys:
            self.cache.add(key, OTHER)

    def track_statements(self, rows):
        return count_statements(self.cache.add, self.keys[0], OTHER)

    track_statements.unit = "statements"
