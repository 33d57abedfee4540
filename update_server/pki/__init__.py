"""The fleet's certificate authority and enrolment over EST (RFC 7030)."""
