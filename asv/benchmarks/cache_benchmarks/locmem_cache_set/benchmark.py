from ..utils import OTHER, LocmemCacheBase


class LocmemCacheSet(LocmemCacheBase):
    def time_locmem_cache_set_existing(self, strategy):
        for key in self.keys:
            self.cache.set(key, OTHER)

    def time_locmem_cache_set_new(self, strategy):
        for key in self.new_keys:
            self.cache.set(key, OTHER)
