"""What `tessera-client check` looks at: the folder, the data, the machine, the way to the coordinator."""
