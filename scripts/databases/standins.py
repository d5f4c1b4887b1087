"""Django's Oracle backend on engines that are not Oracle.

A test process reaches them by a double of ``oracledb.connect`` outside of this room:
databases.urls names it, and databases.settings loads it for URLs of stand-ins.
"""

import os
import re
import zipfile
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qsl, urlsplit

from databases.family import Family, Program, Unavailable
from databases.postgresql import PostgreSQL

PREFIX = "oracle+"
# The versions of Oracle that a stand-in can report.
VERSION, VERSION_23 = "19.0.0.0.0", "23.26.1.0.0"
H2_JAR = "TEST_H2_JAR"


def reported(url: str) -> str:
    """Return the version of Oracle that connections of this URL report.

    >>> reported("oracle+h2:///?version=23.26.1.0.0")
    '23.26.1.0.0'
    """
    return dict(parse_qsl(urlsplit(url).query)).get("version", VERSION)


def h2_jar() -> Path:
    """Return the path in TEST_H2_JAR, or of Debian's libh2-java, there or not."""
    return Path(os.environ.get(H2_JAR) or "/usr/share/java/h2.jar")


def h2_version(jar: Path) -> str:
    """Return the version in the manifest of a jar; OSError if it is none."""
    try:
        with zipfile.ZipFile(jar) as archive:
            manifest = archive.read("META-INF/MANIFEST.MF").decode()
    except (zipfile.BadZipFile, KeyError) as error:
        raise OSError(f"{jar} is no jar: {error}") from None
    found = re.search(r"^Implementation-Version: (\S+)", manifest, re.MULTILINE)
    return found[1] if found else ""


class StandinH2(Family):
    """H2 in Oracle mode, in the memory of each test process."""

    name = "standin_h2"
    label = "H2 in Oracle mode"
    minimum = (2, 1)
    driver = "jpype"
    built_in = f"{PREFIX}h2:///?version={{reported}}"
    install_command = (
        "apt-get install libh2-java default-jre-headless, or install Java and set"
        f" {H2_JAR}=/path/to/h2.jar"
    )

    def module(self) -> ModuleType:
        """Return JPype, if it finds Java."""
        jpype = super().module()
        try:
            jpype.getDefaultJVMPath()
        except jpype.JVMNotFoundException:
            raise Unavailable("no Java is installed", self.install_command) from None
        return jpype

    def version(self, url: str) -> str:
        """Return the version of the jar: no process has to run to tell."""
        self.module()
        try:
            found = h2_version(h2_jar())
        except OSError as error:
            raise Unavailable(f"no H2: {error}", self.install_command) from None
        return f"H2 {found} as {reported(url)}"


class StandinPostgreSQL(PostgreSQL):
    """A private PostgreSQL server with names of Oracle's."""

    name = "standin_postgres"

    url = f"{PREFIX}{PostgreSQL.url}"

    def version(self, url: str) -> str:
        shown = super().version(url.removeprefix(PREFIX))
        return f"PostgreSQL {shown} as {reported(url)}"

    def settle(self, program: Program, url: str, folder: Path) -> None:
        """Do nothing: the collations are for the other backend."""
