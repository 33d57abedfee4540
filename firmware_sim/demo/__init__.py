"""The story that `make demo` tells: one camera, one operator, one attacker, every step checked."""
