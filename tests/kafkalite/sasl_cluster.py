"""A pytest plugin for confluent-kafka-python's integration tests, used by conformance.py.

The suite makes its cluster with logins itself, out of downloaded programs; with `-p sasl_cluster`
it is the broker at SASL_BROKERS instead.
"""

import os

import pytest

USER = PASSWORD = "sasl_user"  # as the suite's ACLs name it


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    from tests.integration import conftest
    from tests.integration.cluster_fixture import ByoFixture

    def create(conf=None):
        return ByoFixture(
            {
                "bootstrap.servers": os.environ["SASL_BROKERS"],
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.username": USER,
                "sasl.password": PASSWORD,
            }
        )

    conftest.create_sasl_cluster = create
