"""The hash that unknown users are compared with: nobody's, made without work, dear to compare with."""

import pytest
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from agent.adapters.linux.keys import Argon2Hasher
from firmware_sim.world.chance import Chance
from firmware_sim.world.secrets import UnsafePasswordHasher


@pytest.fixture(params=["system", "world"])
def hasher(request):
    return Argon2Hasher() if request.param == "system" else UnsafePasswordHasher(Chance(1))


def test_a_decoy_costs_what_a_real_hash_does_and_is_nobodys(hasher):
    decoy, real = hasher.decoy().split("$"), hasher.hash("violet harbour").split("$")
    assert decoy[:-2] == real[:-2], "the same kind with the same parameters"
    assert [len(part) for part in decoy] == [len(part) for part in real]
    assert hasher.verify("violet harbour", "$".join(real))
    assert not any(hasher.verify(password, "$".join(decoy)) for password in ("violet harbour", "", "admin"))


def test_no_two_decoys_are_alike(hasher):
    first, second = (hasher.decoy().split("$") for _ in range(2))
    assert first[-2] != second[-2]
    assert first[-1] != second[-1]


def test_a_decoy_is_compared_by_the_library_itself():
    with pytest.raises(InvalidKey):  # a string that it could not read would be a ValueError
        Argon2id.verify_phc_encoded(b"violet harbour", Argon2Hasher().decoy())
