from ..utils import Isolated, bench_setup, count_statements

CALLS = 100  # of what is timed, in one run of a benchmark
ROWS = 1_000


class BooksBase(Isolated):
    """
    Base of the benchmarks that write a book found by its unique title.

    ``model`` has ROWS rows. ``titles`` are CALLS of theirs, and ``new_titles`` as
    many which are not there; a setup() takes them out again.
    """

    model = None

    def setup(self):
        bench_setup(migrate=True)
        objects = self.model.objects
        objects.all().delete()
        titles = [f"Book {number}" for number in range(ROWS)]
        objects.bulk_create(self.model(title=title, stock=1) for title in titles)
        self.titles = titles[:: ROWS // CALLS]
        self.new_titles = [f"New book {number}" for number in range(CALLS)]

    def write(self, method, title):
        getattr(self.model.objects, method)(title=title, defaults={"stock": 2})

    def count(self, method, title):
        return count_statements(self.write, method, title)
