"""What every plug-in builds on: the contract, settings, cases, branches and fusion."""
