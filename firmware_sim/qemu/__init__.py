"""An emulated camera one can hold: power, console, link, snapshots, packet capture.

Nothing here needs KVM, and nothing here survives the process that started it. Every machine runs in the closed test
network (`firmware_sim.netns`).
"""
