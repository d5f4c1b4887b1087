from ..books import BooksBase
from .models import Book


class QueryUpsert(BooksBase):
    model = Book

    def setup(self):
        super().setup()
        if not hasattr(Book.objects, "upsert"):
            raise NotImplementedError("This Django has no QuerySet.upsert().")

    def time_query_upsert_hit(self):
        for title in self.titles:
            self.write("upsert", title)

    def time_query_upsert_miss(self):
        for title in self.new_titles:
            self.write("upsert", title)

    def track_hit_statements(self):
        return self.count("upsert", self.titles[0])

    track_hit_statements.unit = "statements"

    def track_miss_statements(self):
        return self.count("upsert", self.new_titles[0])

    track_miss_statements.unit = "statements"
