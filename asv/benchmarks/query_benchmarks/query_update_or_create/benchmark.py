from ..books import BooksBase
from .models import Book


class QueryUpdateOrCreate(BooksBase):
    model = Book

    def time_query_update_or_create_hit(self):
        for title in self.titles:
            self.write("update_or_create", title)

    def time_query_update_or_create_miss(self):
        for title in self.new_titles:
            self.write("update_or_create", title)

    def track_hit_statements(self):
        return self.count("update_or_create", self.titles[0])

    track_hit_statements.unit = "statements"

    def track_miss_statements(self):
        return self.count("update_or_create", self.new_titles[0])

    track_miss_statements.unit = "statements"
