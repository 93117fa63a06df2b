"""What the tests of the lake share: `lake_worker`, found beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
