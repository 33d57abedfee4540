"""The camera's web service: pages for people, a JSON interface for tools, the snapshot."""
