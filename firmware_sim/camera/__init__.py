"""The product being guarded: a small camera application (web, RTSP, ONVIF, snapshots).

It runs inside the firmware on the standard library alone. It holds no password: who may log in is the agent's to say,
over the login sockets. It is not the guard; it is what the guard guards.
"""
