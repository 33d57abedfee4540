"""What holds for every test: property tests are bounded by count and never judged by the clock."""

from hypothesis import HealthCheck, settings

settings.register_profile("camward", deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
settings.load_profile("camward")
