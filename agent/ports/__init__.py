"""What the agent needs of its surroundings, as Protocols; adapters implement them.

Five methods each at most. Every method that writes says what survives a power cut. A port is added when
something uses it.

| module | ports |
|---|---|
| storage | Store, Spool, Erasure, BlockDevice |
| boot | BootControl, RollbackStore |
| secrets | KeyStore, Entropy, PasswordHasher |
| network | Fetcher, Downloader, Enroller, Link |
| packing | Unpacker, Unsealer |
| machine | Clock, Services, Sensors, WebCertificate, Watchdog |
"""
