"""Phased rollouts: `plan` decides (pure), `store` keeps, `service` carries out."""
