"""A fake cluster for all tests of a module, as the target ``site``."""

from __future__ import annotations

import pytest

from tests.batch.conftest import Place, site_settings
from tests.kube.conftest import fake_cluster


@pytest.fixture(scope="module")
def cluster():
    with fake_cluster() as found:
        yield found
        assert found.fake.failures == []


@pytest.fixture
def site(cluster, root):
    """The fake cluster as the target ``site``."""
    return Place(root, site_settings(cluster.fake.kubeconfig))
