"""Fixtures that every layer shares."""

from hypothesis import HealthCheck, settings

# The machines are shared and slow at times: how long an example takes says nothing.
settings.register_profile("lamina", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lamina")
