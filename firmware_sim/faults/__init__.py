"""What goes wrong between a camera and its server: a relay in user space, and a wire that loses packets."""
