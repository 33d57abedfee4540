"""TUF and Uptane: the image repository (static files) and the director (per camera), their keys and releases."""
