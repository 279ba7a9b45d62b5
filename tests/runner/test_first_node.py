"""How a node of a job notices that the first one has gone."""

from __future__ import annotations

import select
import socket
import threading

from sovlab.runner.process.first_node import FirstNode


def gone(node: FirstNode, seconds: float) -> bool:
    return bool(select.select([node.descriptor], [], [], seconds)[0])


def test_it_has_gone_when_its_store_closes_the_connection():
    with socket.create_server(("127.0.0.1", 0)) as server:
        node = FirstNode(f"127.0.0.1:{server.getsockname()[1]}")
        taken, _ = server.accept()
        assert not gone(node, 0.1)
        taken.close()
        assert gone(node, 20)
        node.close()


def test_it_has_gone_when_nobody_takes_the_connection():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert gone(FirstNode(f"127.0.0.1:{port}"), 20)


def test_nothing_waits_for_a_name_to_be_looked_up_and_of_an_unknown_one_nothing_follows(monkeypatch):
    asked, answered = threading.Event(), threading.Event()

    def slow(*args, **options):
        asked.set()
        assert answered.wait(60)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    node = FirstNode("job-0.job:29500")  # a call that waited would not come back
    assert asked.wait(20)
    answered.set()
    assert not gone(node, 0.2)


def test_an_address_that_is_none_is_not_waited_for():
    for rendezvous in (None, "", "host", "host:port"):
        assert not gone(FirstNode(rendezvous), 0.05)
