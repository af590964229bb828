"""How long finding out may take, whatever else the machine does.

Runs inside the sandbox.
"""

import math
import time

PATIENCE = 4  # times the seconds of the processor may pass by the clock: on a machine that is busy


class Allowance:
    """Seconds of this process's own time; a busy machine takes none of it away.

    >>> Allowance(9.0).over, Allowance(-1.0).over, Allowance().over
    (False, True, False)
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self.processor = time.process_time() + seconds
        self.clock = time.monotonic() + PATIENCE * seconds

    @property
    def over(self) -> bool:
        """Whether the time is spent."""
        return time.process_time() > self.processor or time.monotonic() > self.clock
