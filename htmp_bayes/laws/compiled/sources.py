"""Which version of the compiled functions this is, for the keys of caches of compiled graphs."""

import hashlib
from pathlib import Path


def source_version() -> str:
    """Return a hash of all sources of this folder."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
