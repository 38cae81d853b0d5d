"""Pictures of finished cells: attention maps of the chosen tokens, loss curves, and how tokens were chosen."""
