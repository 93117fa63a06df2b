"""The lake for those who read it and look after it; `sinks/parquet.py` writes it."""

from penstock.lake.checking import Checked, LostFile, check, check_table
from penstock.lake.reading import VIEWS, open_lake, query
from penstock.lake.sharing import init_views
from penstock.lake.tables import TABLES
from penstock.lake.upkeep import KEEP, TARGET_SIZE, Compacted, Vacuumed, compact, vacuum

__all__ = [
    "KEEP",
    "TABLES",
    "TARGET_SIZE",
    "VIEWS",
    "Checked",
    "Compacted",
    "LostFile",
    "Vacuumed",
    "check",
    "check_table",
    "compact",
    "init_views",
    "open_lake",
    "query",
    "vacuum",
]
