"""Entry point: this folder is the import root of the tool's packages."""

from patchstack.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
