"""Django's Oracle backend on engines that are not Oracle: see lab.oracle.standin."""

from types import ModuleType

from databases.family import Family, Program, Unavailable
from databases.place import Place
from databases.postgresql import PostgreSQL
from lab.oracle import standin
from lab.oracle.standin import jar

PREFIX = "oracle+"


class StandinH2(Family):
    """H2 in Oracle mode, in the memory of each test process."""

    name = "standin_h2"
    label = "H2 in Oracle mode"
    minimum = (2, 1)
    driver = "jpype"
    install_command = (
        "apt-get install libh2-java default-jre-headless, or install Java and set"
        f" {jar.VARIABLE}=/path/to/h2.jar"
    )

    def built_in(self, reported: str) -> str:
        return f"{PREFIX}h2:///?version={reported}"

    def module(self) -> ModuleType:
        """JPype, if it finds Java."""
        jpype = super().module()
        try:
            jpype.getDefaultJVMPath()
        except jpype.JVMNotFoundException:
            raise Unavailable("no Java is installed", self.install_command) from None
        return jpype

    def version(self, url: str) -> str:
        """The version of the jar: no process has to run to tell."""
        self.module()
        try:
            found = jar.version(jar.path())
        except OSError as error:
            raise Unavailable(f"no H2: {error}", self.install_command) from None
        return f"H2 {found} as {standin.reported(url)}"

    def too_old(self, version: tuple[int, ...]) -> str | None:
        if version >= self.minimum:
            return None
        shown = ".".join(map(str, version))
        return f"H2 {shown} is older than 2.1, which the stand-in was made for"


class StandinPostgreSQL(PostgreSQL):
    """PostgreSQL with some of Oracle's names, in a private server."""

    name = "standin_postgres"
    label = "PostgreSQL"

    def url(self, password: str, port: int) -> str:
        return PREFIX + super().url(password, port)

    def version(self, url: str) -> str:
        shown = super().version(url.removeprefix(PREFIX))
        return f"PostgreSQL {shown} as {standin.reported(url)}"

    def settle(self, program: Program, place: Place, url: str) -> tuple[str, ...]:
        """Nothing: its collations and extensions are for the other backend."""
        return ()
