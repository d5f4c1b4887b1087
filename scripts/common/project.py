"""The place of every file and folder."""

import os
from dataclasses import dataclass
from pathlib import Path


def user_cache() -> Path:
    """Return the folder for what outlives a checkout: downloads and wheels."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "django-patch-stack"


@dataclass(frozen=True)
class Project:
    """The folders of one checkout of this repository."""

    root: Path
    cache: Path

    @property
    def patches(self) -> Path:
        """The series: numbered patches, series.toml, series.lock."""
        return self.root / "patches"

    @property
    def upstream(self) -> Path:
        return self.root / "django-upstream"

    @property
    def pin(self) -> Path:
        return self.upstream / "pin.toml"

    @property
    def base(self) -> Path:
        """A bare repository that only this tool writes: upstream as one commit."""
        return self.upstream / "base.git"

    @property
    def src(self) -> Path:
        """The checkout that people work in."""
        return self.upstream / "src"

    @property
    def trees(self) -> Path:
        """Plain folders, each the content of one git tree, for running tests."""
        return self.upstream / "trees"

    @property
    def lock(self) -> Path:
        """Locked by whoever changes patches/, src, base.git or trees."""
        return self.upstream / "lock"

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def results(self) -> Path:
        """JSON of the last runs; not committed."""
        return self.root / "results"

    @property
    def drafts(self) -> Path:
        return self.root / "docs-drafts"

    @classmethod
    def here(cls) -> "Project":
        return cls(Path(__file__).resolve().parents[2], user_cache())

    def shown(self, path: Path) -> str:
        """Return ``path`` as a person in the root folder would type it."""
        inside = path.is_relative_to(self.root)
        return str(path.relative_to(self.root) if inside else path)
