"""Exit 0 when the node has processed frames since the last look: ``python3 healthcheck.py PORT`` (metrics.port).

As with systemd's watchdog, a node is alive that looks at pictures, and not one that merely runs.
"""

import re
import sys
import tempfile
import urllib.request
from pathlib import Path

SEEN = Path(tempfile.gettempdir()) / "edge-frames"
_FRAMES = re.compile(r"^edge_frames_processed_total\S*\s+(\S+)$", re.MULTILINE)


def main() -> int:
    """Compare the counter with what it was."""
    url = f"http://127.0.0.1:{int(sys.argv[1])}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=4) as page:
            frames = sum(float(value) for value in _FRAMES.findall(page.read().decode()))
    except OSError as error:
        sys.stderr.write(f"no metrics page: {error}\n")
        return 1
    before = float(SEEN.read_text() or 0) if SEEN.exists() else -1.0
    SEEN.write_text(str(frames))
    sys.stdout.write(f"{frames:.0f} frames, {before:.0f} at the last look\n")
    return 0 if frames > 0 and frames != before else 1


if __name__ == "__main__":
    sys.exit(main())
