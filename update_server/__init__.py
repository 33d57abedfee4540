"""The operator's side of Camward: signs and publishes releases, rolls them out, receives what cameras report."""
