"""`camward-installer`: finds unclaimed cameras on the local network, claims them, and hands the passwords over sealed.

It runs on an installer's laptop: it needs nothing of the server, and nothing of the server needs it.
"""
