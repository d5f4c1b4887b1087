from ..utils import LocmemCacheBase


class LocmemCacheGet(LocmemCacheBase):
    def time_locmem_cache_get_hit(self, strategy):
        for key in self.keys:
            self.cache.get(key)

    def time_locmem_cache_get_miss(self, strategy):
        for key in self.new_keys:
            self.cache.get(key)
