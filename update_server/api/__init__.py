"""HTTP: the device listener's paths and the JSON API for people's programs."""
