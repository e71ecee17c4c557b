"""What tests of drivers may use."""

from tests.drivers.device_hosts import host

__all__ = ["host"]
