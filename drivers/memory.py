"""How much memory this process may take."""

from __future__ import annotations

import os
import resource
from pathlib import Path

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_bytes() -> int:
    """The machine's memory, or less where a container (cgroup) or the shell (``ulimit -v``) allows less."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in _CGROUP_LIMITS:
        text = path.read_text().strip() if path.is_file() else ""
        if text.isdigit():  # else "max"
            limits.append(int(text))
    shell, _ = resource.getrlimit(resource.RLIMIT_AS)
    if shell != resource.RLIM_INFINITY:
        limits.append(shell)
    return min(limits)
