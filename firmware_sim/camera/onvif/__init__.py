"""The ONVIF device service: SOAP 1.2 over HTTPS, HTTP digest, or WS-UsernameToken where the agent takes it."""
