"""What carries messages in a simulation, and sites that misbehave on purpose."""
