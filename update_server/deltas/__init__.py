"""Segment artifacts: what a camera that runs one release fetches to install another (agent.formats.segments).

`encode` makes one in a process of its own (`worker`), `verify` plays the camera that applies it, `service` knows which
pairs are wanted and what was made.
"""
