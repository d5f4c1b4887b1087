"""Where H2 is: a jar that is installed or that the user names."""

import os
import re
import zipfile
from pathlib import Path

VARIABLE = "TEST_H2_JAR"
# Where Debian's libh2-java puts it.
DEBIAN = Path("/usr/share/java/h2.jar")


def path() -> Path:
    """What TEST_H2_JAR names, or Debian's; it need not be there."""
    return Path(os.environ.get(VARIABLE) or DEBIAN)


def version(jar: Path) -> str:
    """The version in the manifest; empty if it has none. OSError if it is no jar."""
    try:
        with zipfile.ZipFile(jar) as archive:
            manifest = archive.read("META-INF/MANIFEST.MF").decode()
    except (zipfile.BadZipFile, KeyError) as error:
        raise OSError(f"{jar} is no jar: {error}") from None
    found = re.search(r"^Implementation-Version: (\S+)", manifest, re.MULTILINE)
    return found[1] if found else ""
