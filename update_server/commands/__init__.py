"""The command line, one module per subject; each opens the services, does one thing, prints, and closes them."""
