from ...utils import count_statements
from ..utils import OTHER, DatabaseCacheBase


class DbCacheSetMany(DatabaseCacheBase):
    def time_db_cache_set_many_existing(self, rows):
        self.cache.set_many(dict.fromkeys(self.keys, OTHER))

    def time_db_cache_set_many_new(self, rows):
        self.cache.set_many(dict.fromkeys(self.new_keys, OTHER))

    def track_statements(self, rows):
        return count_statements(self.cache.set_many, dict.fromkeys(self.keys, OTHER))

    track_statements.unit = "statements"
