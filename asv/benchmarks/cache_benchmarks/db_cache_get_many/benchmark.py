from ...utils import count_statements
from ..utils import DatabaseCacheBase


class DbCacheGetMany(DatabaseCacheBase):
    def time_db_cache_get_many(self, rows):
        self.cache.get_many(self.keys)

    def track_statements(self, rows):
        return count_statements(self.cache.get_many, self.keys)

    track_statements.unit = "statements"
