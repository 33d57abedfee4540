"""The agent's surroundings in one process: deterministic, portable, with faults as plain values.

Everything here implements the agent's ports (agent/ports) in memory, stricter than real hardware, and can fail
on demand.
It runs on CPython and MicroPython, imports no adapter, and keeps no clock or randomness of its own.

| module | holds |
|---|---|
| power | the one counter of durable operations, and the power cut |
| chance | seeded randomness |
| disk | a strict block device: volatile cache, torn sectors, a window for writes |
| store | named documents with the crash semantics of a careful file system |
| boot | the boot loader as a pure function, the boot record on the disk |
| machine | clock, services, sensors, watchdog, web certificate |
| secrets | keys and password hashing that protect nothing (`Unsafe...`) |
| certificates | dates and a name, in the shape of a certificate |
| network | server, broker, fetcher, enroller, link |
| repository | makes signed TUF and Uptane repositories |
| firmware | slot images for the small disk |
| factory | label and configuration |
| hardware | the camera without its software: disk, clock, boot loader, looks from outside |
| people | claim and enrol |
| world | puts them together and drives the real agent |
"""
