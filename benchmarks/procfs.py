"""What the kernel counts of a process: its memory, its processor time. Linux."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cpu_s", "pss_mib"]


def pss_mib(pid: int) -> float:
    """Proportional set size: its own pages, and its share of those that it has in common with others."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no Pss of process {pid}")


def cpu_s(pid: int) -> float:
    """Processor time since its start, in seconds, its own and the kernel's on its behalf."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
