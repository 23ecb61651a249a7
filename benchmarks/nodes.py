"""A Ray cluster of several nodes of one core each, all on this machine, in a process of its own.

`Nodes` starts it, by python -m benchmarks.nodes COUNT: that says the cluster's address, kills a node for each line of
input, and ends with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[1]

END_S = 120.0


class Nodes:
    """A cluster that runs for the length of a block. address : of its head."""

    def __init__(self, count: int, log: Path) -> None:
        """Start it, and wait until all nodes are there.

        log : what Ray says goes there.

        Raises
        ------
        RuntimeError : it did not start.
        """
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.nodes", str(count)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
            )
        self.address = self._hear()
        if not self.address:
            self.end()
            raise RuntimeError(f"Ray did not start: {log.read_text()[-2000:]}")

    def kill_one(self) -> None:
        """Kill the node that was started last, as if its machine had lost power."""
        if self._process.stdin is None:
            raise RuntimeError("the process was started without pipes")
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._hear()

    def _hear(self) -> str:
        return self._process.stdout.readline().strip() if self._process.stdout else ""

    def end(self) -> None:
        """End all nodes."""
        self._process.communicate(timeout=END_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()


def main() -> None:
    """Start the nodes, kill what is asked for, end with the input."""
    from ray.cluster_utils import Cluster  # Takes seconds, and `Nodes` needs none of it.

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    others = [cluster.add_node(num_cpus=1) for _ in range(int(sys.argv[1]) - 1)]
    cluster.wait_for_nodes()
    _say(cluster.address)
    for _ in sys.stdin:
        cluster.remove_node(others.pop(), allow_graceful=False)
        _say("killed")
    cluster.shutdown()


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
