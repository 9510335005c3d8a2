"""What travels between sites and coordinator, and how it is combined, modality by modality."""
