"""How the launchers of a job, one a node, find each other and hear of each other's failures."""

import socket
import time
from contextlib import suppress
from datetime import timedelta

from torch.distributed import DistNetworkError, DistStoreError, TCPStore
from torch.distributed.elastic.rendezvous import (
    RendezvousHandler,
    RendezvousInfo,
    RendezvousParameters,
    RendezvousStoreInfo,
)
from torch.distributed.elastic.rendezvous.utils import parse_rendezvous_endpoint

from ..errors import ConfigError

BACKEND = 'mmaffect'
FAILED, HEARD, MET = 'mmaffect/failed', 'mmaffect/heard', 'mmaffect/met'


class OtherNodeError(Exception):
    """The text is the line to print here."""


class Nodes(RendezvousHandler):
    """A fixed number of nodes that meet in a store, which the launcher of node 0 holds and its ranks use too.

    As ``torchrun``'s static rendezvous, and further: a launcher that waits for others can be interrupted; port 0 stands
    for a free one; while the ranks run, each launcher looks once a second whether another one has failed. Ranks alone
    do not always notice: one that has yet to connect to the lost one waits for half an hour.

    Args:
        address: of node 0.
        port: of the store on node 0; 0, with one node: a free one.
        rank: of this node.
        size: number of nodes.
        run_id: name of the job.
        timeout: seconds to wait for the other nodes.
    """

    def __init__(self, address: str, port: int, rank: int, size: int, run_id: str, timeout: int) -> None:
        self.address = address
        self.port = port
        self.rank = rank
        self.size = size
        self.run_id = run_id
        self.timeout = timeout
        self.store: TCPStore | None = None
        self._looked = 0.0

    @classmethod
    def create(cls, parameters: RendezvousParameters) -> 'Nodes':
        """From what ``torchrun`` reads in its flags."""
        address, port = parse_rendezvous_endpoint(parameters.endpoint, 29500)
        rank, timeout = parameters.config['rank'], int(parameters.config['timeout'])
        return cls(address, port, rank, parameters.max_nodes, parameters.run_id, timeout)

    def get_backend(self) -> str:
        return BACKEND

    @property
    def use_agent_store(self) -> bool:
        return True

    def next_rendezvous(self) -> RendezvousInfo:
        """Meet the other nodes; after a restart of the ranks, they have met already.

        Raises:
            ConfigError: if two nodes have one rank, or not all are there in time.
        """
        if self.store is None:
            self._meet()
        return RendezvousInfo(self.store, self.rank, self.size, RendezvousStoreInfo(self.address, self.store.port))

    def _meet(self) -> None:
        deadline = time.monotonic() + self.timeout
        while self.rank and not self._listens():  # the store itself would wait where no signal is seen
            self._wait(deadline, 'node 0')
        self.store = TCPStore(
            self.address,
            self.port,
            is_master=self.rank == 0,
            timeout=timedelta(seconds=self.timeout),
            wait_for_workers=False,
            multi_tenant=True,
        )
        if self.store.add(f'{MET}/{self.rank}', 1) > 1:
            raise ConfigError(
                f'there is a node of rank {self.rank} already: each needs its own NODE_RANK (--node-rank)'
            )
        self.store.add(MET, 1)
        while (met := self.store.add(MET, 0)) < self.size:
            self._wait(deadline, f'{self.size - met} of {self.size} nodes')

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection((self.address, self.port), timeout=5):
            return True
        return False

    def _wait(self, deadline: float, whom: str) -> None:
        if time.monotonic() > deadline:
            raise ConfigError(f'waited {self.timeout} s in vain for {whom} at {self.address}:{self.port}')
        time.sleep(0.1)

    def num_nodes_waiting(self) -> int:
        """Asked for by ``torchrun`` while all ranks of this node are well.

        Returns:
            0, since none can join.

        Raises:
            OtherNodeError: as it says.
        """
        if self.size > 1 and time.monotonic() - self._looked > 1:
            line = self.hear()
            if line is not None:
                raise OtherNodeError(line)
            self._looked = time.monotonic()
        return 0

    def tell(self, line: str) -> None:
        """Let the other nodes know why this one ends; the first to say so is heard."""
        if self.size == 1 or self.store is None:
            return
        with suppress(DistNetworkError, DistStoreError):
            self.store.compare_set(FAILED, '', line)
            deadline = time.monotonic() + 5
            # The store ends with this launcher, and what it says.
            while self.rank == 0 and self.store.add(HEARD, 0) < self.size - 1 and time.monotonic() < deadline:
                time.sleep(0.1)

    def hear(self, seconds: float = 0) -> str | None:
        """What another node said, waiting so long for it; ``None``: nothing."""
        if self.size == 1 or self.store is None:
            return None
        deadline = time.monotonic() + seconds
        try:
            while not self.store.check([FAILED]):
                if time.monotonic() >= deadline:
                    return None
                time.sleep(0.1)
            line = self.store.get(FAILED).decode()
            self.store.add(HEARD, 1)
        except (DistNetworkError, DistStoreError):
            return f'error: lost the connection to the launcher of node 0 at {self.address}:{self.port}'
        return line

    def is_closed(self) -> bool:
        return False

    def set_closed(self) -> None:
        pass

    def get_run_id(self) -> str:
        return self.run_id

    def shutdown(self) -> bool:
        return True
