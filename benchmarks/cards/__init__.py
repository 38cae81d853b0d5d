"""What ``describe`` prints, one file for each kind of thing."""
