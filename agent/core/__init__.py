"""Decisions: pure and portable; time, randomness and signature verification are arguments."""
