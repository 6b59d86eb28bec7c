"""Read by every interpreter of a region. Under a library that gives another time, Python's own sleep fails.

``time.sleep`` waits for an instant of the monotonic clock in a way that libfaketime answers with "invalid argument"; a
wait for something that does not come is the same, and works.
"""

import os
import time

if "FAKETIME" in os.environ:
    import threading

    def sleep(seconds: float) -> None:
        """Let so much time pass."""
        threading.Event().wait(seconds)

    time.sleep = sleep  # type: ignore[assignment]
