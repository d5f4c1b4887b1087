"""SQLite, which comes with Python."""

from databases import urls
from databases.family import Family


class SQLite(Family):
    name = "sqlite"
    label = "SQLite"
    minimum = (3, 37)
    driver = "sqlite3"
    built_in = urls.DEFAULT
    driver_command = install_command = "use a Python that was built with SQLite 3.37+"

    def version(self, url: str) -> str:
        return str(self.module().sqlite_version)
