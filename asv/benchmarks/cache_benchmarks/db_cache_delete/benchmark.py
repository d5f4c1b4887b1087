from ...utils import count_statements
from ..utils import OTHER, DatabaseCacheBase


class DbCacheDelete(DatabaseCacheBase):
    def setup(self, rows):
        super().setup(rows)
        self.cache.set_many(dict.fromkeys(self.new_keys, OTHER))

    def time_db_cache_delete(self, rows):
        for key in self.new_keys:
            self.cache.delete(key)

    def track_statements(self, rows):
        return count_statements(self.cache.delete, self.new_keys[0])

    track_statements.unit = "statements"
