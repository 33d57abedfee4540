from agent.formats import certificate
from firmware_sim.world import certificates

made = certificates.make("a" * 26, 7, 1763800000, 1763800000 + 90 * certificates.DAY_S)
print(made)
print(certificate.validity(certificate.first(made)))
for pem in (made, None, b"", b"-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n"):
    print(repr(certificates.holder(pem)), certificates.serial(pem), certificates.fits(pem, 1763800001))
for days in (-1, 0, 89, 91, 200):
    print(days, [certificates.fits(made, 1763800000 + days * 86400, grace * 86400) for grace in (0, 100)])
