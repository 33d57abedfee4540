"""What the Makefile calls besides pytest."""
