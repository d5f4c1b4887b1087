from ..books import BooksBase
from .models import Book


class QueryGetOrCreateMiss(BooksBase):
    model = Book

    def time_query_get_or_create_miss(self):
        for title in self.new_titles:
            self.write("get_or_create", title)

    def track_miss_statements(self):
        return self.count("get_or_create", self.new_titles[0])

    track_miss_statements.unit = "statements"
