"""What an attacker does, for tests and the demo; never part of a product."""
