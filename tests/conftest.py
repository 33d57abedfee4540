"""What holds for every test: property tests are never judged by the clock (machines differ), and are bounded by count."""

from hypothesis import HealthCheck, settings

settings.register_profile("camward", deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
settings.load_profile("camward")
