"""Launchers that meet, as threads of one process."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch.distributed.elastic.rendezvous import RendezvousParameters

from mmaffect.errors import ConfigError
from mmaffect.utils.nodes import BACKEND, Nodes, OtherNodeError


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


def node(rank, size, port, timeout=30):
    return Nodes('127.0.0.1', port, rank, size, 'job', timeout)


def meet(*nodes):
    with ThreadPoolExecutor(len(nodes)) as pool:
        return list(pool.map(lambda one: one.next_rendezvous(), nodes))


def test_one_node_takes_a_free_port():
    alone, another = node(0, 1, 0), node(0, 1, 0)
    ports = [one.next_rendezvous().bootstrap_store_info.master_port for one in (alone, another)]
    assert 0 not in ports
    assert ports[0] != ports[1]
    assert alone.num_nodes_waiting() == 0
    alone.tell('nobody is there')  # returns


def test_two_nodes_meet_and_one_hears_of_the_other(port):
    nodes = node(0, 2, port), node(1, 2, port)
    met = meet(nodes[1], nodes[0])  # node 1 is there before the store
    assert [one.rank for one in met] == [1, 0]
    assert {one.world_size for one in met} == {2}
    assert {one.bootstrap_store_info.master_port for one in met} == {port}
    met[0].store.set('key', 'value')
    assert met[1].store.get('key') == b'value'
    # After a restart of the ranks.
    assert nodes[1].next_rendezvous().store is met[0].store

    assert [one.num_nodes_waiting() for one in nodes] == [0, 0]
    nodes[1].tell('rank 3 died')
    assert nodes[1].hear() == 'rank 3 died'
    nodes[0].tell('rank 0 lost the connection')  # no news
    assert nodes[0].hear() == 'rank 3 died'
    nodes[0]._looked = 0
    with pytest.raises(OtherNodeError, match='rank 3 died'):
        nodes[0].num_nodes_waiting()


def test_no_second_node_of_one_rank(port):
    first, second = node(0, 3, port), node(1, 3, port)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(one.next_rendezvous) for one in (first, second)]
        while first.store is None or first.store.add('mmaffect/met', 0) < 2:
            pass
        with pytest.raises(ConfigError, match='node of rank 1 already'):
            node(1, 3, port).next_rendezvous()
        meet(node(2, 3, port))
        assert [one.result().rank for one in waiting] == [0, 1]


@pytest.mark.parametrize(('rank', 'whom'), [(0, '1 of 2 nodes'), (1, 'node 0')])
def test_a_node_that_does_not_come(port, rank, whom):
    with pytest.raises(ConfigError, match=f'waited 1 s in vain for {whom} at 127.0.0.1:{port}'):
        node(rank, 2, port, timeout=1).next_rendezvous()


def test_made_from_flags(port):
    made = Nodes.create(RendezvousParameters(BACKEND, f'host:{port}', 'job', 4, 4, rank=2, timeout=900))
    assert (made.address, made.port, made.rank, made.size, made.timeout) == ('host', port, 2, 4, 900)
    assert made.get_run_id() == 'job'
