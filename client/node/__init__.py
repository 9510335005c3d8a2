"""What keeps a site connected: its own folder, its approved code, its SuperNode and the processes of its tasks."""
