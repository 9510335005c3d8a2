"""What an honest but curious onlooker learns of single patients from updates, sums of updates, and the release."""
