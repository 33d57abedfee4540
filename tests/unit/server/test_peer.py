"""Which certificates let a request through, at which time: the device listener's own look at their dates."""

import pytest

from update_server.api import device
from update_server.api.device import GRACE_S, RENEWAL_PATH, TIME_PATH
from update_server.errors import Unauthenticated
from update_server.keyfiles import new_key
from update_server.pki import authority

NOW = 1_800_000_000
DAY_S = 86_400
ENDS_AT = NOW + 90 * DAY_S
ORDINARY = "/device/v1/ownership"
LATE = (RENEWAL_PATH, TIME_PATH + "0" * 32)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    fleet = authority.make(tmp_path_factory.mktemp("pki"), "River Office", authority.utc(NOW))
    return fleet.certify_device(new_key().public_key(), "KW1-1", 90, authority.utc(NOW))


def lets_through(certificate, path, at):
    from cryptography.hazmat.primitives.serialization import Encoding

    scope = {"path": path, "extensions": {"tls": {"peer_certificate": certificate.public_bytes(Encoding.DER)}}}
    try:
        return bool(device._peer(scope, at)["device_id"])
    except Unauthenticated:
        return False


@pytest.mark.parametrize("path", [ORDINARY, *LATE])
def test_from_its_begin_to_its_end_it_opens_everything(certificate, path):
    begin = int(certificate.not_valid_before_utc.timestamp())
    found = [lets_through(certificate, path, at) for at in (begin - 1, begin, NOW, ENDS_AT)]
    assert found == [False, True, True, True]


def test_the_second_after_a_connection_that_stands_is_of_no_use_any_more(certificate):
    assert not lets_through(certificate, ORDINARY, ENDS_AT + 1)


@pytest.mark.parametrize("path", LATE)
def test_for_a_year_longer_it_may_ask_the_time_and_renew(certificate, path):
    found = [lets_through(certificate, path, ENDS_AT + late) for late in (1, GRACE_S, GRACE_S + 1)]
    assert found == [True, True, False]


@pytest.mark.parametrize("path", [RENEWAL_PATH + "/x", RENEWAL_PATH[:-1], "/device/v1/time", "/x" + RENEWAL_PATH])
def test_what_only_resembles_these_paths_is_not_open_for_longer(certificate, path):
    assert lets_through(certificate, path, ENDS_AT)
    assert not lets_through(certificate, path, ENDS_AT + 1)
