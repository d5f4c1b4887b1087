import os
import sys
from pathlib import Path

import django

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "databases.settings")
django.setup()
