from ...utils import Isolated, bench_setup, count_statements
from .models import Book


class ModelBulkCreateConflicts(Isolated):
    def setup(self):
        bench_setup(migrate=True)
        Book.objects.all().delete()
        # Half of them are there.
        Book.objects.bulk_create(self.books(range(0, 100, 2), stock=1))

    def books(self, numbers, stock):
        return [Book(title=f"Book {number}", stock=stock) for number in numbers]

    def create(self):
        Book.objects.bulk_create(
            self.books(range(100), stock=2),
            update_conflicts=True,
            unique_fields=["title"],
            update_fields=["stock"],
        )

    def time_model_bulk_create_conflicts(self):
        self.create()

    def track_statements(self):
        return count_statements(self.create)

    track_statements.unit = "statements"
